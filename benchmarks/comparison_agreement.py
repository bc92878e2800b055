"""Every statistic that comparisons rest on, beside its reference: the largest difference over cases with fixed seeds.

Prints a Markdown table. Differences are absolute up to a value of 1 and relative beyond. Where a reference is itself
found by a search or by resampling, its own error is what is allowed.
"""

import math
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from scipy import optimize, stats
from statsmodels.regression.linear_model import WLS
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import NormalIndPower
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import ztost

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "unit"))

from test_stats_auc import delong_by_definition
from test_stats_planning import TABLE

from tidegate.stats.auc import delong_paired
from tidegate.stats.bootstrap import cell_bootstrap
from tidegate.stats.clustered import spread
from tidegate.stats.equivalence import equivalence
from tidegate.stats.intervals import clopper_pearson, wilson
from tidegate.stats.multiplicity import benjamini_hochberg, holm
from tidegate.stats.paired import mcnemar, newcombe_paired_interval, paired_mean, tango_interval
from tidegate.stats.planning import hoeffding_rows, log_error
from tidegate.stats.power import detectable_difference
from tidegate.stats.results import Interval
from tidegate.stats.simultaneous import Joint, pairwise

Pairs = Iterator[tuple[float, float]]
ROUNDING = 1e-9


@dataclass(frozen=True)
class Statistic:
    """One statistic, and where its reference comes from.

    Attributes:
        pairs: ours and theirs of each case.
        within: the difference that the reference's own error explains.
    """

    name: str
    reference: str
    pairs: Callable[[np.random.Generator], Pairs]
    within: float = ROUNDING


def ends(interval: Interval, theirs: Iterable[float]) -> Pairs:
    """Both bounds."""
    return zip((interval.low, interval.high), map(float, theirs), strict=True)


def discordant(rng: np.random.Generator) -> Iterator[tuple[int, int, int]]:
    """Rows that one model alone has right, and all rows."""
    for n in (20, 200, 5_000):
        for share in (0.02, 0.2, 0.6):
            either = int(rng.binomial(n, share))
            first = int(rng.binomial(either, rng.uniform(0.2, 0.8)))
            yield first, either - first, n


def exact_mcnemar(rng: np.random.Generator) -> Pairs:
    for b, c, _ in discordant(rng):
        yield mcnemar(b, c, exact=True), statsmodels_mcnemar([[0, b], [c, 0]], exact=True).pvalue


def mid_p_mcnemar(rng: np.random.Generator) -> Pairs:
    for b, c, _ in discordant(rng):
        fewer = stats.binom(b + c, 0.5)
        theirs = 2 * fewer.cdf(min(b, c)) - fewer.pmf(min(b, c))
        yield mcnemar(b, c), 1.0 if b == c else theirs


def score_limits(b: int, c: int, n: int) -> tuple[float, float]:
    """Tango's (1998) limits with the nuisance share found by maximising the likelihood."""

    def score(delta: float) -> float:
        def against(lost: float) -> float:
            rest = 1 - 2 * lost - delta
            return -(b * math.log(lost + delta) + c * math.log(lost) + (n - b - c) * math.log(rest))

        low, high = max(0.0, -delta), (1 - delta) / 2
        inside = (high - low) * 1e-12
        found = optimize.minimize_scalar(
            against, bounds=(low + inside, high - inside), method="bounded", options={"xatol": 1e-13}
        )
        return (b - c - n * delta) / math.sqrt(n * (2 * float(found.x) + delta - delta**2))

    z, estimate = stats.norm.ppf(0.975), (b - c) / n
    below = optimize.brentq(lambda d: score(d) - z, -0.999, estimate)
    above = optimize.brentq(lambda d: score(d) + z, estimate, 0.999)
    return below, above


def tango(rng: np.random.Generator) -> Pairs:
    for b, c, n in discordant(rng):
        yield from ends(tango_interval(b, c, n, confidence=0.95), score_limits(b, c, n))


def newcombe(rng: np.random.Generator) -> Pairs:
    for b, c, n in discordant(rng):
        a = int(rng.binomial(n - b - c, 0.7))
        d = n - a - b - c
        first, second = (a + b) / n, (a + c) / n
        (l1, u1), (l2, u2) = (proportion_confint(x, n, 0.05, method="wilson") for x in (a + b, a + c))
        centre = a * d - b * c
        corrected = max(centre - n / 2, 0) if centre > 0 else centre
        margins = (a + b) * (c + d) * (a + c) * (b + d)
        phi = corrected / math.sqrt(margins) if margins else 0.0
        down = (first - l1) ** 2 - 2 * phi * (first - l1) * (u2 - second) + (u2 - second) ** 2
        up = (u1 - first) ** 2 - 2 * phi * (u1 - first) * (second - l2) + (second - l2) ** 2
        theirs = first - second - math.sqrt(down), first - second + math.sqrt(up)
        yield from ends(newcombe_paired_interval(a, b, c, d, confidence=0.95), theirs)


def shares(ours: Callable[..., Interval], method: str) -> Callable[[np.random.Generator], Pairs]:
    """Intervals of one share beside statsmodels'."""

    def pairs(rng: np.random.Generator) -> Pairs:
        for x, _, n in discordant(rng):
            theirs = proportion_confint(x, n, 0.05, method=method)
            yield from ends(ours(x, n, confidence=0.95), theirs)

    return pairs


def without_skewness(rng: np.random.Generator) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Two models whose differences are mirrored about their mean, so that Student's t is all there is."""
    for n in (10, 100, 10_000):
        half = rng.standard_t(3, n)
        difference = rng.normal() / 3 + np.concatenate([half, -half])
        production = rng.normal(size=2 * n)
        yield production + difference, production


def paired_t(rng: np.random.Generator) -> Pairs:
    for a, b in without_skewness(rng):
        theirs, ours = stats.ttest_rel(a, b), paired_mean(a - b, confidence=0.95)
        yield ours.p_value, float(theirs.pvalue)
        yield from ends(Interval(ours.low, ours.high), theirs.confidence_interval(0.95))


def two_one_sided(rng: np.random.Generator) -> Pairs:
    for a, b in without_skewness(rng):
        estimate = float((a - b).mean())
        half = float(stats.norm.ppf(0.975) * stats.sem(a - b))
        for margin in (0.1, 0.5, 2.0):
            interval = Interval(estimate - half, estimate + half)
            found = equivalence(estimate, interval, margin, confidence=0.95)
            yield found.p_value, float(ztost(a - b, -margin, margin)[0])


def delong(rng: np.random.Generator) -> Pairs:
    for n in (30, 300):
        for digits in (0, 1, 9):
            labels = np.arange(n) < n // 3
            a, b = (np.round(rng.normal(size=n) + labels, digits) for _ in range(2))
            (first, second), covariance = delong_by_definition(labels, a, b)
            ours = delong_paired(labels, a, b, confidence=0.95)
            yield ours.estimate, first - second
            contrast = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
            yield ours.standard_error, math.sqrt(contrast)


def adjusted(ours: Callable[[np.ndarray], np.ndarray], method: str) -> Callable[[np.random.Generator], Pairs]:
    """Adjusted p-values beside statsmodels'."""

    def pairs(rng: np.random.Generator) -> Pairs:
        for k in (1, 5, 200):
            p = np.round(rng.beta(0.4, 1, k), 3)
            yield from zip(ours(p).tolist(), multipletests(p, method=method)[1].tolist(), strict=True)

    return pairs


def rows_of_renggli(rng: np.random.Generator) -> Pairs:
    for reliability, epsilon, *rows in TABLE:
        asked = [(models, adaptivity) for models in (1, 2) for adaptivity in ("none", "full")]
        for (models, adaptivity), expected in zip(asked, rows, strict=True):
            error = log_error(float(reliability), 32, adaptivity)
            yield hoeffding_rows(float(epsilon), error, models=models), expected


def detectable(rng: np.random.Generator) -> Pairs:
    for n in (50, 400, 10_000):
        for confidence in (0.9, 0.95, 0.99):
            theirs = NormalIndPower(ddof=0).solve_power(None, n, 1 - confidence, 0.8, ratio=0)
            yield detectable_difference(1 / math.sqrt(n), confidence=confidence), float(theirs)


def clusters(rng: np.random.Generator) -> Pairs:
    """Jackknife over clusters of a weighted mean difference, by fitting the regression again without each."""
    for m in (5, 40):
        codes = np.repeat(np.arange(m), rng.integers(1, 30, m))
        weight = rng.uniform(0.2, 3, len(codes))
        y = rng.normal(size=len(codes)) + rng.normal(size=m)[codes]
        mean = float(WLS(y, np.ones(len(y)), weight).fit().params[0])
        left_out = [
            float(WLS(y[codes != i], np.ones((codes != i).sum()), weight[codes != i]).fit().params[0])
            for i in range(m)
        ]
        theirs = (m - 1) / m * float(((np.array(left_out) - mean) ** 2).sum())
        yield math.sqrt(spread(y - mean, weight, codes).variance), math.sqrt(theirs)


def f1(cells: np.ndarray) -> np.ndarray:
    """F1 from (..., TP, FP, FN)."""
    return 2 * cells[..., 0] / (2 * cells[..., 0] + cells[..., 1] + cells[..., 2])


def joint_cells(rng: np.random.Generator) -> Pairs:
    """Spread of an F1 difference over resampled cells, and over resampled rows."""
    # Label, candidate and production: what each model makes of each of the eight cells.
    label, first, second = (np.arange(8) >> shift & 1 for shift in (2, 1, 0))
    each = [np.stack([label & said, said > label, label > said]).astype(float) for said in (first, second)]
    for n in (200, 2_000):
        codes = rng.choice(8, n, p=[0.35, 0.05, 0.04, 0.06, 0.08, 0.05, 0.07, 0.3])

        def difference(counts: np.ndarray) -> np.ndarray:
            return f1(counts @ each[0].T) - f1(counts @ each[1].T)

        def of_rows(rows: np.ndarray, axis: int) -> np.ndarray:
            return difference((rows[..., None, :] == np.arange(8)[:, None]).sum(axis=-1))

        ours = cell_bootstrap(np.bincount(codes, minlength=8), difference).std(ddof=1)
        theirs = stats.bootstrap(
            (codes,), of_rows, n_resamples=9_999, method="percentile", batch=200, rng=rng, vectorized=True
        )
        yield 1.0, float(theirs.standard_error / ours)


def tukey(rng: np.random.Generator) -> Pairs:
    for k, freedom in ((3, 10), (5, 60), (10, 400)):
        joint = Joint(np.zeros(k), np.eye(k), math.sqrt(2) * (1 - np.eye(k)), freedom)
        theirs = stats.studentized_range.ppf(0.95, k, freedom) / math.sqrt(2)
        yield pairwise(joint, confidence=0.95).critical_value / float(theirs), 1.0


SCIPY, STATSMODELS = (f"{name} {version(name)}" for name in ("scipy", "statsmodels"))
STATISTICS = (
    Statistic("McNemar, exact p-value", f"{STATSMODELS} `mcnemar`", exact_mcnemar),
    Statistic("McNemar, mid-p value", "its definition by binomial probabilities", mid_p_mcnemar),
    Statistic("Tango interval", "roots of the score, likelihood maximised numerically", tango, 1e-6),
    Statistic("Newcombe interval", f"his formula on {STATSMODELS} `proportion_confint`", newcombe),
    Statistic(
        "Clopper–Pearson interval", f"{STATSMODELS} `proportion_confint`", shares(clopper_pearson, "beta")
    ),
    Statistic("Wilson interval", f"{STATSMODELS} `proportion_confint`", shares(wilson, "wilson")),
    Statistic("paired t, p-value and interval", f"{SCIPY} `ttest_rel`", paired_t),
    Statistic("equivalence (TOST), p-value", f"{STATSMODELS} `ztost`", two_one_sided),
    Statistic("DeLong, difference and error", "all pairs of rows", delong),
    Statistic("Holm", f"{STATSMODELS} `multipletests`", adjusted(holm, "holm")),
    Statistic("Benjamini–Hochberg", f"{STATSMODELS} `multipletests`", adjusted(benjamini_hochberg, "fdr_bh")),
    Statistic("cluster-robust error, weighted", f"{STATSMODELS} `WLS` without each cluster", clusters),
    Statistic("rows of a plan", "table of Renggli et al. (2019), 64 entries", rows_of_renggli),
    Statistic("detectable difference", f"{STATSMODELS} `NormalIndPower`", detectable, 1e-5),
    Statistic("F1 difference, spread of resampled cells", f"{SCIPY} `bootstrap` of rows", joint_cells, 0.05),
    Statistic("simultaneous critical value", f"{SCIPY} `studentized_range`", tukey, 0.015),
)


def main() -> None:
    """Compare and print; exit 1 when a difference is more than the reference's own error."""
    total = apart = 0
    print("| statistic | reference | values | largest difference |")
    print("| --- | --- | ---: | ---: |")
    for each in STATISTICS:
        pairs = list(each.pairs(np.random.default_rng(20130101)))
        largest = max(abs(ours - theirs) / max(1.0, abs(theirs)) for ours, theirs in pairs)
        total, apart = total + len(pairs), apart + (not largest <= each.within)
        print(f"| {each.name} | {each.reference} | {len(pairs)} | {largest:.1e} |")
    print(f"\n{total:,} values, {apart} statistics apart by more than their reference's own error.")
    if apart:
        sys.exit(1)


if __name__ == "__main__":
    main()
