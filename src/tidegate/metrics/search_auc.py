"""The worst slices by the area under the ROC curve: DeLong's placements within all slices of a partition at once."""

import numpy as np

from tidegate.metrics.search import UNREMARKABLE, Evidence, Scan
from tidegate.stats.auc import linearised_auc
from tidegate.stats.slice_search import Population, drawn_mean_tail, welch_tail


class AucScan(Scan):
    """The area within each slice, held against that of the whole table: harder to be worse than than the rest is.

    The p-value is the larger of two: by the slice's own spread (DeLong et al. 1988), on the logit scale, on which an
    area near 1 spreads evenly (Pepe 2003); and of a blind draw of so many positives and negatives from the table.
    """

    def __init__(self, positive: np.ndarray, score: np.ndarray) -> None:
        """Label and score, both of shape (n,), with rows of both classes."""
        self._order = np.argsort(score, kind="stable")
        self._positive = positive[self._order]
        ordered = score[self._order]
        self._tie = np.cumsum(np.append(True, ordered[1:] != ordered[:-1]))
        found = linearised_auc(positive, score)
        self._auc = found.value
        share = np.count_nonzero(positive) / len(positive)
        placement = found.influence * np.where(positive, share, 1 - share)
        self._laws = [Population.of_values(-placement[side]) for side in (positive, ~positive)]
        self._spread = np.array([placement[side].var() for side in (positive, ~positive)])

    def measure(self, codes: np.ndarray, count: int) -> Evidence:
        """See :meth:`Scan.measure`."""
        ranked = codes[self._order]
        # A stable sort of short integers is a radix sort.
        order = np.argsort(
            ranked.astype(np.int16) if count <= np.iinfo(np.int16).max else ranked, kind="stable"
        )
        group, positive, tie = ranked[order], self._positive[order], self._tie[order]
        starts = np.flatnonzero(np.append(True, (group[1:] != group[:-1]) | (tie[1:] != tie[:-1])))
        sides = (positive, ~positive)
        sizes = np.stack([np.bincount(group[side], minlength=count) for side in sides])
        below_positives, below_negatives = (
            _share_below(side, size, group, starts) for side, size in zip(sides, sizes, strict=True)
        )
        area, variance = np.zeros(count), np.zeros((2, count))
        with np.errstate(invalid="ignore", divide="ignore"):
            for k, share in enumerate((below_negatives, 1 - below_positives)):
                mine, placement = group[sides[k]], share[sides[k]]
                area = np.bincount(mine, weights=placement, minlength=count) / sizes[k]
                off = np.bincount(mine, weights=(placement - area[mine]) ** 2, minlength=count)
                variance[k] = off / (sizes[k] - 1.0) / sizes[k]
        return self._evidence(area, variance, sizes)

    def _evidence(self, area: np.ndarray, variances: np.ndarray, sizes: np.ndarray) -> Evidence:
        variance, badness = variances.sum(axis=0), self._auc - area
        with np.errstate(invalid="ignore", divide="ignore"):
            freedom = variance**2 / (variances**2 / (sizes - 1.0)).sum(axis=0)
            freedom = np.where(variance == 0, sizes.min(axis=0) - 1.0, freedom)
            by_chance = np.sqrt((self._spread[:, None] / sizes).sum(axis=0))
            further = _logit(np.array(self._auc)) - _logit(area)
            scaled = np.where(variance == 0, 0.0, variance / (area * (1 - area)) ** 2)
        certain, plenty = np.zeros(len(area)), np.ones(len(area))
        p_values = np.where(badness > 0, welch_tail(further, scaled, freedom, certain, plenty), 1.0)
        closer = np.flatnonzero(p_values < UNREMARKABLE)
        drawn = sizes[:, closer].astype(np.float64)
        # How much less the areas of large slices vary is left out: it would only make them more remarkable.
        blind = drawn_mean_tail(list(zip(self._laws, drawn, strict=True)), badness[closer], certain[closer])
        p_values[closer] = np.maximum(p_values[closer], blind)
        return Evidence(badness, np.fmax(np.sqrt(variance), by_chance), sizes.sum(axis=0), p_values)


def _logit(area: np.ndarray) -> np.ndarray:
    return np.asarray(np.log(area) - np.log1p(-area))


def _share_below(side: np.ndarray, size: np.ndarray, group: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Share of the rows of one class in a row's group that score below it, ties counting half, shape (n,).

    Rows are in order of group and score; each run of equal ones begins at one of `starts`.
    """
    beside = np.add.reduceat(side.astype(np.int64), starts)
    of_group = group[starts]
    before = np.cumsum(beside) - beside - (np.cumsum(size) - size)[of_group]
    with np.errstate(invalid="ignore", divide="ignore"):
        share = (before + beside / 2) / size[of_group]
    return np.repeat(share, np.diff(np.append(starts, len(group))))
