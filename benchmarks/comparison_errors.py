"""How often the wrong model is promoted, and how often the right one: Tidegate's comparison beside three common rules.

Simulates models whose true metrics are known from integrals, and prints Markdown tables. The other rules: point
thresholds (the candidate's number is above production's less the margin), intervals of each model by itself as if
from different rows (unpaired), and the plain percentile bootstrap of the rows. All ask for 95% intervals.
"""

import argparse
import math
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
from scipy import special

from tidegate.comparison import Comparison, EvaluationSet, compare
from tidegate.config import Compare
from tidegate.metrics.data import Predictions
from tidegate.tables import Column

METHODS = ("Tidegate", "point thresholds", "unpaired intervals", "percentile bootstrap")
SLICES, Z, SLOPE, SHIFT, UNKNOWABLE = 20, 1.959964, 1.5, -0.5, 0.7
Bounds = tuple[float, float, float]
"""Estimate, low and high of a difference, turned so that positive is better."""


@dataclass(frozen=True)
class Measure:
    """One metric, known by heart.

    Attributes:
        parts: of each row, from label and answer, shape (n, m).
        value: from the means of the parts (..., m); None for the area, which has none.
        gradient: of the value by the means, from the means.
        truth: by how noisy a model is.
        noise: of production, of a model at the margin, of one at the margin of a slice, and of a better one.
    """

    parts: Callable[[np.ndarray, np.ndarray], np.ndarray] | None
    value: Callable[[np.ndarray], np.ndarray]
    gradient: Callable[[np.ndarray], np.ndarray]
    truth: Callable[[float], float]
    better: int = 1
    noise: tuple[float, float, float, float] = (0.7, 1.4, 2.8, 0.35)

    def loss(self, noise: float) -> float:
        """What a model of this noise loses against production."""
        return self.better * (self.truth(self.noise[0]) - self.truth(noise))


def by_signal(of: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Expectation over the signal of what is known given the margin of a row, by Gauss and Hermite."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(120)
    return of(SLOPE * nodes + SHIFT) @ weights / math.sqrt(2 * math.pi)


@cache
def cells(noise: float) -> np.ndarray:
    """Shares of true positives, false positives, false negatives and true negatives."""

    def given(margin: np.ndarray) -> np.ndarray:
        said, true = special.ndtr(margin / noise), special.expit(margin)
        return np.stack([said * true, said * (1 - true), (1 - said) * true, (1 - said) * (1 - true)])

    return by_signal(given)


@cache
def true_f1(noise: float) -> float:
    tp, fp, fn, _ = cells(noise)
    return float(2 * tp / (2 * tp + fp + fn))


@cache
def true_log_loss(noise: float) -> float:
    nodes, weights = np.polynomial.hermite_e.hermegauss(120)

    def given(margin: np.ndarray) -> np.ndarray:
        logit = margin[:, None] + noise * nodes
        loss = np.logaddexp(0, logit) - special.expit(margin)[:, None] * logit
        return loss @ weights / math.sqrt(2 * math.pi)

    return float(by_signal(given))


@cache
def true_area(noise: float) -> float:
    """Probability that a positive outscores a negative, over a fine grid of both."""
    scores = np.linspace(-25, 25, 8_001)

    def given(margin: np.ndarray) -> np.ndarray:
        density = np.exp(-(((scores[:, None] - margin) / noise) ** 2) / 2)
        true = special.expit(margin)
        return np.stack([density * true, density * (1 - true)])

    positive, negative = (each / each.sum() for each in by_signal(given))
    return float(positive @ (np.cumsum(negative) - negative / 2))


def log_losses(label: np.ndarray, logit: np.ndarray) -> np.ndarray:
    return (np.logaddexp(0, logit) - label * logit)[:, None]


def of_f1(label: np.ndarray, logit: np.ndarray) -> np.ndarray:
    said = logit >= 0
    return np.column_stack([2.0 * (label * said), label + said])


MEASURES: Mapping[str, Measure] = {
    "accuracy": Measure(
        lambda label, logit: ((logit >= 0) == label)[:, None].astype(float),
        lambda mean: mean[..., 0],
        lambda mean: np.ones(1),
        lambda noise: float(cells(noise)[[0, 3]].sum()),
    ),
    "f1": Measure(
        of_f1,
        lambda mean: mean[..., 0] / mean[..., 1],
        lambda mean: np.array([1, -mean[0] / mean[1]]) / mean[1],
        true_f1,
    ),
    "roc_auc": Measure(None, lambda mean: mean[..., 0], lambda mean: np.ones(1), true_area),
    "log_loss": Measure(
        log_losses, lambda mean: mean[..., 0], lambda mean: np.ones(1), true_log_loss, better=-1
    ),
    "root_mean_squared_error": Measure(
        lambda label, answer: ((answer - label) ** 2)[:, None],
        lambda mean: np.sqrt(mean[..., 0]),
        lambda mean: 0.5 / np.sqrt(mean),
        lambda noise: math.hypot(UNKNOWABLE, noise),
        better=-1,
        noise=(0.5, 0.65, 1.0, 0.35),
    ),
}


@dataclass(frozen=True)
class Sample:
    """Rows that both models answered: logits, or predictions of a regression."""

    label: np.ndarray
    candidate: np.ndarray
    production: np.ndarray
    part: np.ndarray

    def take(self, rows: np.ndarray) -> "Sample":
        """Some of the rows."""
        return Sample(self.label[rows], self.candidate[rows], self.production[rows], self.part[rows])


def draw(rng: np.random.Generator, metric: str, n: int, noise: float, *, only_first_slice: bool) -> Sample:
    """A sample on which the candidate has this noise, everywhere or in one slice."""
    usual, signal = MEASURES[metric].noise[0], rng.normal(size=n)
    part = rng.permutation(n) % SLICES
    of_candidate = np.where(part == 0, noise, usual) if only_first_slice else noise
    if metric == "root_mean_squared_error":
        middle, label = signal, signal + UNKNOWABLE * rng.normal(size=n)
    else:
        middle = SLOPE * signal + SHIFT
        label = (rng.random(n) < special.expit(middle)).astype(float)
    candidate, production = rng.normal(size=(2, n))
    return Sample(label, middle + of_candidate * candidate, middle + usual * production, part)


def placements(label: np.ndarray, score: np.ndarray) -> tuple[float, np.ndarray]:
    """The area under the curve and the influence of each row."""
    positive, n = label > 0, len(label)
    m = int(positive.sum())
    if not 0 < m < n:
        return math.nan, np.full(n, math.nan)
    ranks = np.empty(n)
    ranks[np.argsort(score)] = np.arange(1, n + 1)
    share = np.empty(n)
    for each, others in ((positive, n - m), (~positive, m)):
        among = np.empty(n - others)
        among[np.argsort(score[each])] = np.arange(1, n - others + 1)
        share[each] = (ranks[each] - among) / others
    share[~positive] = 1 - share[~positive]
    area = float(share[positive].mean())
    return area, (share - area) / np.where(positive, m / n, 1 - m / n)


def single(measure: Measure, label: np.ndarray, answer: np.ndarray) -> tuple[float, float]:
    """The metric of one model, and its variance."""
    if measure.parts is None:
        value, influence = placements(label, answer)
    else:
        parts = measure.parts(label, answer)
        mean = parts.mean(axis=0)
        value, influence = float(measure.value(mean)), (parts - mean) @ measure.gradient(mean)
    return value, float(influence.var(ddof=1)) / len(label)


def resampled(measure: Measure, label: np.ndarray, answer: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The metric of one model under weights of rows, shape (B, n)."""
    if measure.parts is not None:
        return measure.value(weights @ measure.parts(label, answer) / len(label))
    order = np.argsort(answer)
    positive = weights[:, order] * label[order]
    negative = weights[:, order] - positive
    below = np.cumsum(negative, axis=1) - negative
    return (positive * below).sum(axis=1) / (positive.sum(axis=1) * negative.sum(axis=1))


def unpaired(measure: Measure, sample: Sample) -> Bounds:
    """An interval as if the models had answered different rows."""
    a, of_a = single(measure, sample.label, sample.candidate)
    b, of_b = single(measure, sample.label, sample.production)
    estimate, half = measure.better * (a - b), Z * math.sqrt(of_a + of_b)
    return estimate, estimate - half, estimate + half


def percentile(measure: Measure, sample: Sample, rng: np.random.Generator) -> tuple[float, float]:
    """The percentile bootstrap of rows, at ranks that are whole for 199 and for 999 draws."""
    n = len(sample.label)
    draws = 999 if n < 1_000 else 199
    drawn = rng.integers(0, n, size=(draws, n)) + np.arange(draws)[:, None] * n
    weights = np.bincount(drawn.ravel(), minlength=draws * n).reshape(draws, n).astype(float)
    a, b = (resampled(measure, sample.label, each, weights) for each in (sample.candidate, sample.production))
    ordered = np.sort(measure.better * (a - b))
    rank = round(0.025 * (draws + 1))
    return float(ordered[rank - 1]), float(ordered[-rank])


def predictions(metric: str, sample: Sample) -> EvaluationSet:
    """The same rows as Tidegate reads them."""
    names = tuple(f"p{i:02d}" for i in range(SLICES))
    columns = {("part", "category"): Column("part", "category", sample.part.astype(np.int32), names)}

    def model(answer: np.ndarray) -> Predictions:
        n = len(answer)
        if metric == "root_mean_squared_error":
            return Predictions("regression", n, label=sample.label, prediction=answer, columns=columns)
        return Predictions(
            "binary",
            n,
            ("0", "1"),
            label=sample.label.astype(np.int32),
            prediction=(answer >= 0).astype(np.int32),
            score=special.expit(answer),
            columns=columns,
        )

    return EvaluationSet("golden", model(sample.production), {"candidate": model(sample.candidate)})


def tidegate(sets: EvaluationSet, metric: str, **config: object) -> tuple[bool, Comparison]:
    """Whether Tidegate promotes, and its primary comparison."""
    primary = {"metric": metric, **{k: v for k, v in config.items() if k != "guardrails"}}
    asked = {"primary": primary, "guardrails": config.get("guardrails", []), "flipped_rows": 0}
    result = compare([sets], Compare.model_validate(asked))
    return result.decision == "promote", result.comparisons[0]


def rules(
    measure: Measure, samples: list[Sample], rng: np.random.Generator, accepts: Callable[[float], bool]
) -> dict[str, bool]:
    """What the other rules decide when all of these samples must pass."""
    verdicts = dict.fromkeys(METHODS[1:], True)
    for sample in samples:
        estimate, low, _ = unpaired(measure, sample)
        verdicts["point thresholds"] &= accepts(estimate)
        verdicts["unpaired intervals"] &= accepts(low)
        # Once it fails there is no need to draw.
        if verdicts["percentile bootstrap"] and len(samples[0].label) <= BOOTSTRAPPED:
            verdicts["percentile bootstrap"] = accepts(percentile(measure, sample, rng)[0])
    return verdicts


REQUIRED = {"equal": ("superior", "non_inferior"), "margin": ("non_inferior",), "better": ("superior",)}


def whole(rng: np.random.Generator, metric: str, n: int, kind: str) -> dict[tuple[str, str], bool]:
    """One run without slices: for each question and method whether the candidate goes on, or the truth is covered."""
    measure = MEASURES[metric]
    usual, at_margin, _, better = measure.noise
    noise = {"equal": usual, "margin": at_margin, "better": better}[kind]
    sample, margin, truth = (
        draw(rng, metric, n, noise, only_first_slice=False),
        measure.loss(at_margin),
        -measure.loss(noise),
    )
    sets = predictions(metric, sample)
    estimate, *of_unpaired = unpaired(measure, sample)
    of_bootstrap = percentile(measure, sample, rng) if n <= BOOTSTRAPPED else None
    found: dict[tuple[str, str], bool] = {}
    for require in REQUIRED[kind]:
        bound = 0.0 if require == "superior" else -margin
        settings = {"require": require} | ({"margin": margin} if bound else {})
        promoted, primary = tidegate(sets, metric, **settings)
        found[f"{kind}, {require}", METHODS[0]] = promoted
        lows = [estimate, of_unpaired[0], *(of_bootstrap[:1] if of_bootstrap else ())]
        for method, low in zip(METHODS[1:], lows, strict=False):
            found[f"{kind}, {require}", method] = low > bound
        low, high = primary.ci or (-math.inf, math.inf)
        shown = [(low, high), of_unpaired, *([of_bootstrap] if of_bootstrap else ())]
        for method, bounds in zip((METHODS[0], *METHODS[2:]), shown, strict=False):
            found[f"{kind}, covered", method] = bounds[0] <= truth <= bounds[1]
    return found


def sliced(rng: np.random.Generator, metric: str, n: int, kind: str) -> dict[tuple[str, str], bool]:
    """One run with a guardrail in each of twenty slices."""
    measure = MEASURES[metric]
    noise = measure.noise[2] if kind == "bad slice" else measure.noise[0]
    margin = measure.loss(measure.noise[2])
    sample = draw(rng, metric, n, noise, only_first_slice=True)
    guardrail = {"metric": metric, "slices": ["part"], "margin": margin}
    promoted, _ = tidegate(
        predictions(metric, sample), metric, require="non_inferior", margin=margin, guardrails=[guardrail]
    )
    samples = [sample, *(sample.take(np.flatnonzero(sample.part == i)) for i in range(SLICES))]
    with np.errstate(invalid="ignore", divide="ignore"):
        others = rules(measure, samples, rng, lambda low: low >= -margin)
    return {(kind, method): verdict for method, verdict in {METHODS[0]: promoted, **others}.items()}


KINDS = {"equal": whole, "margin": whole, "better": whole, "bad slice": sliced, "equal slices": sliced}
ROWS = (200, 1_000, 10_000)
BOOTSTRAPPED = 1_000
"""Rows beyond which the bootstrap of the rows, whose law has settled, would take most of an hour."""


@dataclass(frozen=True)
class Cell:
    """One metric, one number of rows, one kind of candidate."""

    metric: str
    rows: int
    kind: str

    def count(self, runs: int) -> Counter[tuple[str, str]]:
        """How often each question is answered yes, by method."""
        seed = [list(MEASURES).index(self.metric), self.rows, list(KINDS).index(self.kind)]
        rng, hits = np.random.default_rng(seed), Counter[tuple[str, str]]()
        for _ in range(runs):
            hits.update(
                key for key, yes in KINDS[self.kind](rng, self.metric, self.rows, self.kind).items() if yes
            )
        return hits


TABLES = (
    ("equal, superior", "Promoted as better although both are equal: at most 5%"),
    ("margin, non_inferior", "Promoted as harmless although it loses exactly the margin: at most 5%"),
    ("bad slice", "Promoted although one of twenty slices loses exactly its margin: at most 5%"),
    ("better, superior", "A better model is promoted (power)"),
    ("equal, non_inferior", "An equal model is promoted as harmless (power)"),
    ("equal slices", "An equal model is promoted as harmless in each of twenty slices (power)"),
    ("margin, covered", "The 95% interval covers the true difference of a worse model"),
    ("equal, covered", "The 95% interval covers the true difference of an equal model"),
)


def tables(counts: Mapping[Cell, Counter[tuple[str, str]]], runs: int) -> Iterator[str]:
    """The counts as Markdown."""
    for question, title in TABLES:
        kind = question.partition(",")[0]
        yield f"\n{title}.\n"
        yield f"| metric | rows | {' | '.join(METHODS)} |"
        yield f"| --- | ---: |{' ---: |' * len(METHODS)}"
        for cell, hits in counts.items():
            if cell.kind == kind:
                shares = [
                    ""
                    if ("covered" in question and method == METHODS[1])
                    or (method == METHODS[3] and cell.rows > BOOTSTRAPPED)
                    else f"{hits[question, method] / runs:.1%}"
                    for method in METHODS
                ]
                yield f"| `{cell.metric}` | {cell.rows:,} | {' | '.join(shares)} |"


def counted(cell: Cell, runs: int) -> Counter[tuple[str, str]]:
    """One cell, in a process of its own."""
    return cell.count(runs)


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100, help="simulated decisions in each cell")
    parser.add_argument("--rows", type=int, nargs="*", default=ROWS)
    parser.add_argument("--metrics", nargs="*", default=list(MEASURES), choices=list(MEASURES))
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args()
    every = [Cell(*each) for each in product(asked.metrics, asked.rows, KINDS)]
    with ProcessPoolExecutor(asked.processes) as pool:
        # The slowest first, so that no process waits for one that began last.
        slowest = sorted(every, key=lambda cell: -cell.rows)
        pending = {cell: pool.submit(counted, cell, asked.runs) for cell in slowest}
        counts = {}
        for done, cell in enumerate(slowest, 1):
            counts[cell] = pending[cell].result()
            print(f"{done} of {len(every)} cells", file=sys.stderr, flush=True)
    error = 100 * math.sqrt(0.05 * 0.95 / asked.runs)
    print(f"{asked.runs:,} runs in each cell: the standard error of a share of 5% is {error:.1f} points.")
    print("\n".join(tables({cell: counts[cell] for cell in every}, asked.runs)))


if __name__ == "__main__":
    main()
