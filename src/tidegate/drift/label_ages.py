"""Ages of rows with and without a label: how late labels come, and rows of like age to compare."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np

from tidegate.covariates import Pair, fingerprints, pair
from tidegate.tables import Column

_BANDS = 10
_MATCHED_BANDS = 50
_BAND_ROWS = 40
_SEED = 20110701
_DAY = 86_400e6
_ARRIVED = 0.5
_SURELY = 3.0


@dataclass(frozen=True, slots=True)
class AgeBand:
    """Rows of a range of ages, in days before the newest row or the time of the run, and those with a label."""

    from_days: float
    to_days: float
    rows: int
    labelled: int
    share: float


def mature(times: Column, label_delay: timedelta, now: np.datetime64 | None = None) -> np.ndarray:
    """Mask of the rows old enough to have their label; what has come earlier is a choice of its own.

    Args:
        times: of kind ``time``; rows without a time are not known to be old enough.
        label_delay: how long labels take.
        now: time of the run; by default that of the newest row.
    """
    values = times.values.astype("datetime64[us]")
    if now is None:
        known = values[~np.isnat(values)]
        if not len(known):
            return np.zeros(len(values), dtype=np.bool_)
        now = known.max()
    return np.asarray(values <= now - np.timedelta64(label_delay))  # NaT is never smaller


def ages(known: np.ndarray, times: Column | None, now: np.datetime64 | None) -> dict[str, Any]:
    """What timestamps tell."""
    nothing: dict[str, Any] = {
        "newest_row": None,
        "newest_labelled": None,
        "lag_days": None,
        "by_age": [],
        "arrived_after_days": None,
        "delayed": None,
    }
    if times is None or times.missing.all():
        return nothing
    values = times.values.astype("datetime64[us]")
    dated = ~np.isnat(values)
    newest = values[dated].max()
    with_label = values[dated & known]
    latest = with_label.max() if len(with_label) else None
    age = ((newest if now is None else now) - values[dated]).astype(np.float64) / _DAY
    bands = _bands(age, known[dated])
    return {
        "newest_row": str(newest),
        "newest_labelled": None if latest is None else str(latest),
        "lag_days": None if latest is None else float((newest - latest).astype(np.float64) / _DAY),
        "by_age": bands,
        "arrived_after_days": _arrived(bands),
        # Were every row as likely to have its label, so long a run of newest rows without one would be rare.
        "delayed": _delayed(age, known[dated]),
    }


def _bands(age: np.ndarray, known: np.ndarray) -> list[AgeBand]:
    edges = np.unique(np.quantile(age, np.linspace(0, 1, _BANDS + 1)))
    if len(edges) < 2:
        edges = np.append(edges, edges)
    index = np.clip(np.searchsorted(edges, age, side="right") - 1, 0, len(edges) - 2)
    rows = np.bincount(index, minlength=len(edges) - 1)
    labelled = np.bincount(index[known], minlength=len(edges) - 1)
    return [
        AgeBand(float(edges[i]), float(edges[i + 1]), int(n), int(k), float(k / n))
        for i, (n, k) in enumerate(zip(rows, labelled, strict=True))
        if n
    ]


def _arrived(bands: Sequence[AgeBand]) -> float | None:
    most = max((band.share for band in bands), default=0.0)
    if most == 0:
        return None
    return next(band.from_days for band in bands if band.share >= _ARRIVED * most)


def _delayed(age: np.ndarray, known: np.ndarray) -> bool | None:
    """Whether the younger half has clearly fewer labels than the older half, as a share."""
    if known.all() or not known.any():
        return False if known.any() else None
    young = age < np.median(age)
    n, m = int(young.sum()), int((~young).sum())
    if not (n and m):
        return None
    a, b, both = known[young].mean(), known[~young].mean(), known.mean()
    return bool(b - a > _SURELY * np.sqrt(both * (1 - both) * (1 / n + 1 / m)))


def matched(
    known: np.ndarray, old: np.ndarray, columns: Mapping[str, Column], times: Column | None
) -> tuple[np.ndarray, np.ndarray]:
    """Rows to compare, with and without a label, of like ages where these are known."""
    rows = np.flatnonzero(old)
    if times is None:
        return rows[known[rows]], rows[~known[rows]]
    values = times.values.astype("datetime64[us]")
    rows = rows[~np.isnat(values[rows])]
    bands = min(_MATCHED_BANDS, len(rows) // _BAND_ROWS)
    if bands < 2:
        return rows[known[rows]], rows[~known[rows]]
    # Ties are of one band whatever the order of the rows.
    stamps = values[rows].astype(np.int64)
    edges = np.sort(stamps)[len(stamps) * np.arange(1, bands) // bands]
    band = np.searchsorted(edges, stamps, side="right")
    counts = np.array([np.bincount(band[known[rows] == kind], minlength=bands) for kind in (True, False)])
    usable = (counts > 0).all(axis=0)
    if not usable.any():
        return rows[:0], rows[:0]
    ratio = counts[0, usable].sum() / counts[1, usable].sum()
    with_label = np.where(usable, np.minimum(counts[0], ratio * counts[1]), 0.0).round().astype(int)
    without = np.where(usable, np.minimum(counts[1], counts[0] / ratio), 0.0).round().astype(int)
    order = np.argsort(_keys(columns, len(known))[rows], kind="stable")
    rows, band = rows[order], band[order]
    taken = []
    for kind, wanted in ((True, with_label), (False, without)):
        of_kind = known[rows] == kind
        taken.append(np.sort(_spread_of_each(rows[of_kind], band[of_kind], wanted)))
    return taken[0], taken[1]


def _spread_of_each(rows: np.ndarray, band: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """So many rows of each band, evenly spaced in the order given: rows that are alike keep their share."""
    order = np.argsort(band, kind="stable")
    starts = np.searchsorted(band[order], np.arange(len(wanted)))
    sizes = np.bincount(band, minlength=len(wanted))[band[order]]
    rank, take = np.arange(len(order)) - starts[band[order]], wanted[band[order]]
    return np.asarray(rows[order[(rank + 1) * take // sizes > rank * take // sizes]])


def _keys(columns: Mapping[str, Column], rows: int) -> np.ndarray:
    """A number of each row by what it holds, so that the order of rows decides nothing."""
    pairs: list[Pair] = []
    for name in sorted(columns):
        both = pair(columns[name], columns[name].take(np.zeros(0, dtype=np.int64)))
        if both is not None:
            pairs.append(both)
    return np.asarray(fingerprints(pairs, _SEED) if pairs else np.arange(rows, dtype=np.uint64))
