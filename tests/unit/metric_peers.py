"""Every metric beside its peer: the same figure by another library, or by its definition row by row.

What :mod:`tests.unit.test_metrics` asserts and ``benchmarks/agreement.py`` prints. A peer gives NaN where the figure
does not exist.
"""

import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import fairlearn.metrics as fl
import numpy as np
import pandas as pd
import statsmodels.api as sm
from scipy import special, stats
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve
from sklearn.exceptions import UndefinedMetricWarning

from tidegate.metrics import METRICS, Metric, find
from tidegate.metrics.cuts import Cut
from tidegate.metrics.data import Performance, Predictions
from tidegate.tables import Column

Options = Mapping[str, Any]
Figure = Callable[[Predictions, Options], float]
DEFINITION = "its definition, row by row"
PANDAS, NUMPY, SCIPY = "pandas", "numpy", "scipy"
SKLEARN, FAIRLEARN, STATSMODELS = "scikit-learn", "fairlearn", "statsmodels"


@dataclass(frozen=True, slots=True)
class Peer:
    """A metric with some options, and who else computes it.

    Attributes:
        name: as a config writes it.
        figure: the peer's value.
        source: the peer.
        options: of the metric, those that the name implies aside.
        within: the largest difference that rounding explains, relative above 1 and absolute below.
    """

    name: str
    figure: Figure
    source: str
    options: Options = field(default_factory=dict)
    within: float = 1e-12

    @property
    def metric(self) -> Metric:
        found = find(self.name, self.options.get("k"))
        assert found is not None, self.name
        return found.metric

    @property
    def settled(self) -> dict[str, Any]:
        """All options, as the gate passes them."""
        found = find(self.name, self.options.get("k"))
        assert found is not None, self.name
        return {**self.metric.settled, **found.implied, **self.options}

    def value(self, data: Predictions) -> float:
        with warnings.catch_warnings():
            # What does not exist, or exists by convention alone, is what the degenerate tables are for.
            for kind in (UserWarning, UndefinedMetricWarning, RuntimeWarning, FutureWarning):
                warnings.simplefilter("ignore", kind)
            return float(self.figure(data, self.settled))

    def __str__(self) -> str:
        return "-".join([self.name, *(_shown(key, value) for key, value in self.options.items())])


def _shown(key: str, value: Any) -> str:
    if key == "by":
        return "by=" + "x".join(cut.column for cut in value)
    text = f"{key}={value}".replace(" ", "")
    return text if len(text) < 40 else f"{key}=..."


# Tables


def everything_else(rng: np.random.Generator, rows: int) -> dict[str, Any]:
    """What a table holds beside labels and scores; some of it is missing."""
    latency = rng.lognormal(3, 0.5, rows).round(3)
    production = (latency * rng.lognormal(0.1, 0.2, rows)).round(3)
    latency[7::10] = np.nan
    number = rng.normal(10, 3, rows).round(1)
    number[3::9] = np.nan
    city = np.where(rng.random(rows) < 0.05, -1, rng.integers(0, 3, rows)).astype(np.int32)
    levels = (*(f"c{i}" for i in range(2 * rows)), "never")
    category = rng.integers(0, 2 * rows, rows).astype(np.int32)
    category[5::11] = -1
    x, c = Column("x", "number", number), Column("c", "category", category, levels)
    return {
        "latency": latency,
        "production_latency": production,
        "error": (rng.random(rows) < 0.1).astype(np.float64),
        "cost": np.where(rng.random(rows) < 0.1, np.nan, rng.exponential(0.01, rows)),
        "performance": Performance(model_bytes=12_345_678),
        "columns": {
            ("x", "number"): x,
            ("x", "any"): x,
            ("c", "category"): c,
            ("g", "category"): Column("g", "category", city, ("Zürich", "東京", "z", "nobody")),
            ("h", "category"): Column("h", "category", rng.integers(0, 2, rows).astype(np.int32), (1, 2)),
        },
    }


def binary(seed: int, rows: int = 450, *, decimals: int | None = None) -> Predictions:
    rng = np.random.default_rng(seed)
    label = (rng.random(rows) < 0.4).astype(np.int32)
    score = np.clip(0.3 * label + rng.uniform(0, 0.7, rows), 0, 1)
    score = score if decimals is None else score.round(decimals)
    return labelled(label, score, rng)


def labelled(label: Any, score: Any, rng: np.random.Generator | None = None) -> Predictions:
    """A binary table with these labels and scores."""
    truth, chance = np.asarray(label, dtype=np.int32), np.asarray(score, dtype=np.float64)
    rows, said = len(truth), (chance >= 0.5).astype(np.int32)
    rest = everything_else(rng or np.random.default_rng(0), rows)
    return Predictions("binary", rows, ("0", "1"), truth, said, chance, **rest)


def multiclass(seed: int, rows: int = 450, classes: int = 4, *, decimals: int | None = None) -> Predictions:
    rng = np.random.default_rng(seed)
    label = np.concatenate([np.arange(classes), rng.integers(0, classes, max(rows - classes, 0))])[:rows]
    score = rng.dirichlet(np.ones(classes), rows) + 0.4 * np.eye(classes)[label]
    score /= score.sum(axis=1, keepdims=True)
    score = score if decimals is None else score.round(decimals)
    names, rest = tuple("abcdefgh"[:classes]), everything_else(rng, rows)
    said = score.argmax(axis=1).astype(np.int32)
    return Predictions("multiclass", rows, names, label.astype(np.int32), said, score, **rest)


def regression(seed: int, rows: int = 450) -> Predictions:
    rng = np.random.default_rng(seed)
    label = rng.normal(10, 3, rows)
    rest = everything_else(rng, rows)
    return Predictions("regression", rows, (), label, label + rng.normal(0.2, 1, rows), **rest)


def ranking(seed: int, rows: int = 450, *, decimals: int | None = None) -> Predictions:
    rng = np.random.default_rng(seed)
    query = rng.integers(0, max(rows // 8, 1), rows).astype(np.int32)
    relevance = rng.integers(0, 4, rows) * (rng.random(rows) < 0.4)
    score = 0.4 * relevance + rng.normal(0, 1, rows)
    score = score if decimals is None else score.round(decimals)
    rest = everything_else(rng, rows)
    return Predictions(
        "ranking", rows, (), relevance.astype(np.float64), None, score, query.astype(np.int32), **rest
    )


MAKERS: dict[str, Callable[..., Predictions]] = {
    "binary": binary,
    "multiclass": multiclass,
    "regression": regression,
    "ranking": ranking,
}


def degenerate(task: str) -> Iterator[tuple[str, Predictions]]:
    """Tables on which implementations part: ties, constants, absent classes, one row."""
    data = MAKERS[task](99, 200)
    ones = np.ones(data.rows, dtype=np.int32)
    yield "one row", data.take(np.arange(1))
    yield "two rows", data.take(np.arange(2))
    yield "five rows", data.take(np.arange(5))
    if task == "binary":
        assert data.label is not None
        yield "ties", binary(1, 200, decimals=1)
        yield "all ties", replace(data, score=np.full(data.rows, 0.5), prediction=ones)
        yield "sure and wrong", binary(1, 200, decimals=0)
        yield "all positive", replace(data, label=ones)
        yield "all negative", replace(data, label=0 * ones)
        yield "never predicted", replace(data, prediction=0 * ones)
        yield "always predicted", replace(data, prediction=ones)
        yield "perfect", replace(data, prediction=data.label, score=data.label.astype(np.float64))
        yield "all wrong", replace(data, prediction=1 - data.label, score=1.0 - data.label)
        yield "rare", replace(data, label=(np.arange(data.rows) < 3).astype(np.int32))
    elif task == "multiclass":
        assert data.label is not None
        assert data.prediction is not None
        yield "ties", multiclass(1, 200, decimals=1)
        yield "two classes", multiclass(1, 200, 2)
        yield "one label", replace(data, label=2 * ones)
        yield "one prediction", replace(data, prediction=2 * ones)
        yield "one class", replace(data, label=2 * ones, prediction=2 * ones)
        yield "never labelled", replace(data, label=np.where(data.label == 1, 2, data.label))
        yield "never predicted", replace(data, prediction=np.where(data.prediction == 1, 2, data.prediction))
        yield "perfect", replace(data, prediction=data.label, score=np.eye(4)[data.label])
        yield (
            "unused class",
            replace(
                data,
                label=np.minimum(data.label, 2),
                prediction=np.minimum(data.prediction, 2),
            ),
        )
    elif task == "regression":
        assert data.label is not None
        assert data.prediction is not None
        yield "constant label", replace(data, label=np.full(data.rows, 0.1))
        yield "constant prediction", replace(data, prediction=np.full(data.rows, 0.1))
        yield "perfect", replace(data, prediction=data.label)
        yield "zeros among the labels", replace(data, label=data.label.round() - 10)
        yield "far from zero", replace(data, label=data.label + 1e6, prediction=data.prediction + 1e6)
        yield "tiny", replace(data, label=data.label * 1e-150, prediction=data.prediction * 1e-150)
    else:
        assert data.label is not None
        assert data.score is not None
        yield "ties", ranking(1, 200, decimals=0)
        yield "all ties", replace(data, score=np.zeros(data.rows))
        yield "one query", replace(data, query=0 * ones)
        yield "a query per item", replace(data, query=np.arange(data.rows, dtype=np.int32))
        yield "all relevant", replace(data, label=np.ones(data.rows))
        yield "perfect", replace(data, score=data.label)
        yield "upside down", replace(data, score=-data.label)


def suite(task: str, seeds: int = 3) -> list[tuple[str, Predictions]]:
    """All tables of a task."""
    return [*((f"seed {seed}", MAKERS[task](seed)) for seed in range(seeds)), *degenerate(task)]


# Peers


def of_classes(function: Callable[..., float], **options: Any) -> Figure:
    return lambda data, _: function(data.label, data.prediction, **options)


def of_class(function: Callable[..., Any]) -> Figure:
    def figure(data: Predictions, options: Options) -> float:
        wanted = data.classes.index(str(options.get("class", data.classes[-1])))
        found = function(data.label, data.prediction, labels=[wanted], average=None, zero_division=np.nan)
        return found[0]

    return figure


def where(exists: Callable[[Predictions], Any], figure: Figure) -> Figure:
    """NaN where scikit-learn follows a convention and Tidegate says that there is no value."""
    return lambda data, options: figure(data, options) if exists(data) else math.nan


def with_label(value: int) -> Callable[[Predictions], bool]:
    return lambda data: bool((data.label == value).any())


def all_labels(data: Predictions) -> bool:
    return len(np.unique(data.label)) == len(data.classes) and data.rows > 1


def roc_auc(data: Predictions, options: Options) -> float:
    if data.task == "binary" or len(data.classes) == 2:
        score = data.score if data.task == "binary" else data.score[:, 1]
        return sk.roc_auc_score(data.label, score)
    # The class probabilities need not add up to one, which scikit-learn insists on here.
    truth = np.eye(len(data.classes))[data.label]
    return sk.roc_auc_score(truth, data.score, average="macro")


def labels_of(data: Predictions) -> list[int]:
    return list(range(len(data.classes)))


def log_loss(data: Predictions, options: Options) -> float:
    return sk.log_loss(data.label, data.score, labels=labels_of(data))


def brier(data: Predictions, options: Options) -> float:
    if data.task == "binary":
        return sk.brier_score_loss(data.label, data.score, pos_label=1)
    return sk.brier_score_loss(data.label, data.score, labels=labels_of(data), scale_by_half=False)


def top_k(data: Predictions, options: Options) -> float:
    if len(data.classes) == 2:  # which scikit-learn takes for a binary problem
        best = np.argsort(data.score, axis=1, kind="stable")[:, ::-1][:, : options["k"]]
        return float(np.mean([label in row for label, row in zip(data.label, best, strict=True)]))
    return sk.top_k_accuracy_score(data.label, data.score, k=options["k"], labels=labels_of(data))


def expected_cost(data: Predictions, options: Options) -> float:
    costs = options["costs"]
    if isinstance(costs, dict) and "fp" in costs:
        costs = [[costs.get("tn", 0), costs["fp"]], [costs["fn"], costs.get("tp", 0)]]
    elif isinstance(costs, dict):
        costs = [[costs[a].get(b, 0) for b in data.classes] for a in data.classes]
    matrix = sk.confusion_matrix(data.label, data.prediction, labels=labels_of(data))
    return float((matrix * np.array(costs)).sum() / data.rows)


def precision_at_recall(data: Predictions, options: Options) -> float:
    precision, recall, _ = sk.precision_recall_curve(data.label, data.score)
    return precision[:-1][recall[:-1] >= options["at"]].max()


def recall_at_precision(data: Predictions, options: Options) -> float:
    precision, recall, _ = sk.precision_recall_curve(data.label, data.score)
    return recall[:-1][precision[:-1] >= options["at"]].max(initial=0)


def recall_at_fpr(data: Predictions, options: Options) -> float:
    alarms, recall, _ = sk.roc_curve(data.label, data.score, drop_intermediate=False)
    return recall[alarms <= options["at"]].max()


def top_label(data: Predictions) -> tuple[np.ndarray, np.ndarray]:
    if data.task == "binary":
        return data.label, data.score
    return (data.score.argmax(axis=1) == data.label).astype(int), data.score.max(axis=1)


def reliability(data: Predictions, options: Options) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Labels, and of each row's bin the share of ones, the mean score and the number."""
    label, score = top_label(data)
    bins = options["bins"]
    if options["binning"] == "uniform":
        ones, scores = calibration_curve(label, score, pos_label=1, n_bins=bins)
        _, index = np.unique(np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], score), return_inverse=True)
    else:
        # Scikit-learn's quantiles are off by rounding where they should hit a score, which then changes its bin.
        last = [sorted(score)[(data.rows - 1) * k // bins] for k in range(1, bins)]
        bin_of = [sum(value > edge for edge in last) for value in score]
        _, index = np.unique(bin_of, return_inverse=True)
        ones, scores = (np.bincount(index, values) / np.bincount(index) for values in (label, score))
    return label, ones[index], scores[index], index


def calibration_error(data: Predictions, options: Options) -> float:
    _, ones, scores, _ = reliability(data, options)
    return float(np.abs(ones - scores).mean())


def brier_reliability(data: Predictions, options: Options) -> float:
    _, ones, scores, _ = reliability(data, options)
    return sk.mean_squared_error(ones, scores)


def brier_uncertainty(data: Predictions, options: Options) -> float:
    return sk.brier_score_loss(data.label, np.full(data.rows, data.label.mean()), pos_label=1)


def brier_resolution(data: Predictions, options: Options) -> float:
    label, ones, _, _ = reliability(data, options)
    return brier_uncertainty(data, options) - sk.brier_score_loss(label, ones, pos_label=1)


def cox(data: Predictions, options: Options, *, slope: bool) -> float:
    eps = np.finfo(float).eps
    label, logit = data.label, special.logit(np.clip(data.score, eps, 1 - eps))
    of = [logit[label == value] for value in (0, 1)]
    if not all(map(len, of)) or (slope and (of[0].max() <= of[1].min() or of[1].max() <= of[0].min())):
        return math.nan
    design = sm.add_constant(logit, has_constant="add") if slope else np.ones((data.rows, 1))
    model = sm.GLM(label, design, family=sm.families.Binomial(), offset=None if slope else logit)
    return model.fit(maxiter=500, tol=1e-15).params[-1]


def by_query(figure: Callable[[np.ndarray, np.ndarray, int | None], float]) -> Figure:
    """The mean over the queries of a figure of relevance, score and k; NaN leaves a query out."""

    def mean(data: Predictions, options: Options) -> float:
        rows = [data.query == q for q in np.unique(data.query)]
        values = [figure(data.label[r], data.score[r], options.get("k")) for r in rows]
        return float(np.nanmean(values)) if not np.isnan(values).all() else math.nan

    return mean


def ndcg(relevance: np.ndarray, score: np.ndarray, k: int | None) -> float:
    if len(relevance) == 1:  # which scikit-learn refuses
        return float(relevance[0] > 0)
    return sk.ndcg_score([relevance], [score], k=k, ignore_ties=False)


def relevant(figure: Callable[..., float]) -> Callable[[np.ndarray, np.ndarray, int | None], float]:
    """Of the ranks of the relevant items, the last of their ties; NaN where there are none."""

    def of_ranks(relevance: np.ndarray, score: np.ndarray, k: int | None) -> float:
        if not (relevance > 0).any():
            return math.nan
        ranks = sorted(int((score >= s).sum()) for s in score[relevance > 0])
        return figure(ranks, k or len(score))

    return of_ranks


def average_precision_at(ranks: list[int], k: int) -> float:
    precisions = [sum(other <= rank for other in ranks) / rank for rank in ranks if rank <= k]
    return sum(precisions) / min(len(ranks), k)


def average_precision(relevance: np.ndarray, score: np.ndarray, k: int | None) -> float:
    if k is not None:
        return relevant(average_precision_at)(relevance, score, k)
    return sk.average_precision_score(relevance > 0, score) if (relevance > 0).any() else math.nan


def numbers(data: Predictions) -> pd.Series:
    return pd.Series(data.columns["x", "number"].values).dropna()


def categories(data: Predictions, name: str = "c") -> pd.Series:
    column = data.columns[name, "category"]
    return pd.Series([column.levels[code] if code >= 0 else None for code in column.values], dtype=object)


def out_of_range(data: Predictions, options: Options) -> float:
    low, high = options["range"]
    inside = numbers(data).between(-np.inf if low is None else low, np.inf if high is None else high)
    return (~inside).mean()


def protected(data: Predictions, options: Options) -> pd.Series:
    """One text per row for its group; that of a missing value is one of its own."""
    parts = [categories(data, cut.column).map(str) for cut in options["by"]]
    return pd.Series(["|".join(row) for row in zip(*parts, strict=True)], dtype=object)


def gap(function: Callable[..., Any], base: Callable[[Predictions], np.ndarray], *, kind: str) -> Figure:
    """A gap of a fairlearn frame, of the groups with enough of the rows that the metric stands on."""

    def figure(data: Predictions, options: Options) -> float:
        return _gap(function, base, data, options, kind)

    return figure


def _gap(
    function: Callable[..., Any],
    base: Callable[[Predictions], np.ndarray],
    data: Predictions,
    options: Options,
    kind: str,
) -> float:
    groups = protected(data, options)
    support = groups.map(groups[base(data)].value_counts()).fillna(0).to_numpy()
    kept = support >= max(options.get("min_rows", 1), 1)
    if groups[kept].nunique() < 2:
        return math.nan
    said = data.score if function is bias and data.task == "binary" else data.prediction
    frame = fl.MetricFrame(
        metrics=function, y_true=data.label[kept], y_pred=said[kept], sensitive_features=groups[kept]
    )
    return frame.difference() if kind == "difference" else frame.ratio()


def bias(label: np.ndarray, said: np.ndarray) -> float:
    return float(np.mean(np.asarray(said) - np.asarray(label)))


def every_row(data: Predictions) -> np.ndarray:
    return np.ones(data.rows, dtype=bool)


def label_is(value: int) -> Callable[[Predictions], np.ndarray]:
    return lambda data: data.label == value


def headline(name: str, fallback: Figure) -> Figure:
    """Fairlearn's function of that name where every group has both labels, else what it is made of."""

    def figure(data: Predictions, options: Options) -> float:
        groups = protected(data, options)
        complete = groups.nunique() > 1 and all(
            groups[data.label == value].nunique() == groups.nunique() for value in (0, 1)
        )
        parts = fallback(data, options)
        if not complete or options.get("min_rows", 1) > 1 or math.isnan(parts):
            return parts
        value = getattr(fl, name)(data.label, data.prediction, sensitive_features=groups)
        return parts if math.isnan(value) else value

    return figure


def equalized_odds(data: Predictions, options: Options, *, kind: str) -> float:
    parts = [
        _gap(fl.true_positive_rate, label_is(1), data, options, kind),
        _gap(fl.false_positive_rate, label_is(0), data, options, kind),
    ]
    return np.nanmax(parts) if kind == "difference" else np.nanmin(parts)


def correlation(function: Callable[..., Any]) -> Callable[..., float]:
    return lambda label, prediction: function(label, prediction).statistic


def root_mean_squared_error(label: np.ndarray, prediction: np.ndarray) -> float:
    return sk.root_mean_squared_error(label, prediction)


BY = (Cut("g"),)
CROSSED = (Cut("g"), Cut("h"))
FAIR = ({"by": BY}, {"by": CROSSED}, {"by": CROSSED, "min_rows": 20})
FORMS: tuple[dict[str, Any], ...] = (
    {"costs": {"fp": 1, "fn": 10}},
    {"costs": {"fp": 1, "fn": 10, "tp": -2.5, "tn": 0.1}},
    {"costs": [[0, 1], [7, -1]]},
    {"costs": {"0": {"1": 3}, "1": {"0": 0.5, "1": -1}}},
)
MANY = {
    "costs": {a: {b: 2 * i + 3 * j for j, b in enumerate("abcd") if j != i} for i, a in enumerate("abcd")}
}


def _all(name: str, figure: Figure, source: str, *options: Options, **more: Any) -> Iterator[Peer]:
    for each in options or ({},):
        yield Peer(name, figure, source, each, **more)


def _peers() -> Iterator[Peer]:
    yield from _of_classes()
    yield from _of_scores()
    yield from _of_numbers()
    yield from _of_queries()
    yield from _of_columns()
    yield from _of_groups()
    yield from _of_service()


def _of_classes() -> Iterator[Peer]:
    yield Peer("accuracy", of_classes(sk.accuracy_score), SKLEARN)
    yield Peer("balanced_accuracy", of_classes(sk.balanced_accuracy_score), SKLEARN)
    for name, function in (
        ("precision", sk.precision_score),
        ("recall", sk.recall_score),
        ("f1", sk.f1_score),
    ):
        yield from _all(name, of_class(function), SKLEARN, {}, {"class": "0"}, {"class": "a"}, {"class": "c"})
        for average in ("macro", "micro", "weighted"):
            yield Peer(f"{name}_{average}", of_classes(function, average=average, zero_division=0), SKLEARN)
    yield Peer("matthews_corrcoef", of_classes(sk.matthews_corrcoef), SKLEARN)
    yield Peer("cohen_kappa", of_classes(sk.cohen_kappa_score), SKLEARN)
    for name, function, label in (
        ("false_positive_rate", fl.false_positive_rate, 0),
        ("false_negative_rate", fl.false_negative_rate, 1),
        ("specificity", fl.true_negative_rate, 0),
    ):
        yield Peer(name, where(with_label(label), of_classes(function, pos_label=1)), FAIRLEARN)
    yield Peer("selection_rate", of_classes(fl.selection_rate), FAIRLEARN)
    yield from _all("expected_cost", expected_cost, SKLEARN, *FORMS, MANY)


def _of_scores() -> Iterator[Peer]:
    yield Peer("roc_auc", where(all_labels, roc_auc), SKLEARN)
    yield Peer(
        "average_precision",
        where(with_label(1), lambda data, _: sk.average_precision_score(data.label, data.score)),
        SKLEARN,
    )
    yield Peer("log_loss", log_loss, SKLEARN)
    yield Peer("brier_score", brier, SKLEARN)
    yield from _all("top_k_accuracy", top_k, SKLEARN, {"k": 1}, {"k": 2}, {"k": 3}, {"k": 10})
    for name, figure in (
        ("expected_calibration_error", calibration_error),
        ("brier_reliability", brier_reliability),
        ("brier_resolution", brier_resolution),
    ):
        yield from _all(name, figure, SKLEARN, {}, {"bins": 4})
        quantiles = ({"binning": "quantile"}, {"bins": 40, "binning": "quantile"})
        yield from _all(name, figure, DEFINITION, *quantiles)
    yield Peer("brier_uncertainty", brier_uncertainty, SKLEARN)
    operating = ({"at": 0.05}, {"at": 0.5}, {"at": 0.8}, {"at": 0.95})
    yield from _all("precision_at_recall", where(with_label(1), precision_at_recall), SKLEARN, *operating)
    yield from _all("recall_at_precision", where(with_label(1), recall_at_precision), SKLEARN, *operating)
    yield from _all("recall_at_fpr", where(all_labels, recall_at_fpr), SKLEARN, *operating)
    # Both solve equations by iteration.
    yield Peer("calibration_slope", partial(cox, slope=True), STATSMODELS, within=1e-9)
    yield Peer("calibration_intercept", partial(cox, slope=False), STATSMODELS, within=1e-9)


def _of_numbers() -> Iterator[Peer]:
    for name in (
        "mean_absolute_error",
        "mean_squared_error",
        "root_mean_squared_error",
        "mean_absolute_percentage_error",
        "median_absolute_error",
        "max_error",
    ):
        yield Peer(name, of_classes(getattr(sk, name)), SKLEARN)
    for name, function in (
        ("pearson_correlation", stats.pearsonr),
        ("spearman_correlation", stats.spearmanr),
    ):
        yield Peer(name, where(lambda data: data.rows > 1, of_classes(correlation(function))), SCIPY)
    spread = where(lambda data: np.ptp(data.label) > 0, of_classes(sk.r2_score))
    yield Peer("r2", spread, SKLEARN)
    yield from _all(
        "pinball_loss",
        lambda data, options: sk.mean_pinball_loss(data.label, data.prediction, alpha=options["quantile"]),
        SKLEARN,
        *({"quantile": q} for q in (0.1, 0.5, 0.9)),
    )


def _of_queries() -> Iterator[Peer]:
    for at in ("", "@1", "@5", "@100"):
        yield Peer(f"ndcg{at}", by_query(ndcg), SKLEARN)
        yield Peer(f"map{at}", by_query(average_precision), DEFINITION if at else SKLEARN)
        first = by_query(relevant(lambda ranks, k: 1 / ranks[0] if ranks[0] <= k else 0.0))
        yield Peer(f"mrr{at}", first, DEFINITION)
    for at in (1, 3, 100):
        found = relevant(lambda ranks, k: sum(rank <= k for rank in ranks) / len(ranks))
        yield Peer(f"recall@{at}", by_query(found), DEFINITION)
        share = relevant(lambda ranks, k: sum(rank <= k for rank in ranks) / k)
        yield Peer(f"precision@{at}", by_query(share), DEFINITION)
        hit = relevant(lambda ranks, k: float(ranks[0] <= k))
        yield Peer(f"hit_rate@{at}", by_query(hit), DEFINITION)


def _of_columns() -> Iterator[Peer]:
    x, c = {"column": "x"}, {"column": "c"}
    yield Peer("mean", lambda data, _: numbers(data).mean(), PANDAS, x)
    yield from _all(
        "quantile",
        lambda data, options: numbers(data).quantile(options["quantile"]),
        PANDAS,
        *({**x, "quantile": q} for q in (0.1, 0.5, 0.99)),
    )
    yield Peer(
        "missing_share", lambda data, _: pd.Series(data.columns["x", "any"].values).isna().mean(), PANDAS, x
    )
    yield Peer(
        "duplicate_share", lambda data, _: categories(data).dropna().duplicated(keep=False).mean(), PANDAS, c
    )
    at = {**x, "at": 11.0}
    yield Peer("share_above", lambda data, options: (numbers(data) > options["at"]).mean(), PANDAS, at)
    yield Peer("share_below", lambda data, options: (numbers(data) < options["at"]).mean(), PANDAS, at)
    ranges = [{**x, "range": limits} for limits in ([5, 15.5], [None, 12], [8.1, None])]
    yield from _all("out_of_range_share", out_of_range, PANDAS, *ranges)
    known = [*(f"c{i}" for i in range(250)), "elsewhere"]
    yield Peer(
        "unseen_share",
        lambda data, options: (~categories(data).dropna().isin(options["values"])).mean(),
        PANDAS,
        {**c, "values": known},
    )


def _of_groups() -> Iterator[Peer]:
    for kind in ("difference", "ratio"):
        parity = gap(fl.selection_rate, every_row, kind=kind)
        yield from _all(
            f"demographic_parity_{kind}", headline(f"demographic_parity_{kind}", parity), FAIRLEARN, *FAIR
        )
        chance = gap(fl.true_positive_rate, label_is(1), kind=kind)
        yield from _all(
            f"equal_opportunity_{kind}", headline(f"equal_opportunity_{kind}", chance), FAIRLEARN, *FAIR
        )
        odds = partial(equalized_odds, kind=kind)
        yield from _all(f"equalized_odds_{kind}", headline(f"equalized_odds_{kind}", odds), FAIRLEARN, *FAIR)
        predictive = gap(sk.precision_score, lambda data: data.prediction == 1, kind=kind)
        yield from _all(f"predictive_parity_{kind}", predictive, FAIRLEARN, *FAIR)
        absolute = gap(sk.mean_absolute_error, every_row, kind=kind)
        yield from _all(f"mean_absolute_error_{kind}", absolute, FAIRLEARN, *FAIR)
    for name, function in (
        ("accuracy", sk.accuracy_score),
        ("calibration", bias),
        ("mean_error", bias),
        ("root_mean_squared_error", root_mean_squared_error),
    ):
        yield from _all(f"{name}_difference", gap(function, every_row, kind="difference"), FAIRLEARN, *FAIR)


def _of_service() -> Iterator[Peer]:
    for percent in ("50", "95", "99", "99.9"):
        share = float(percent) / 100
        yield Peer(
            f"latency_p{percent}",
            lambda data, _, q=share: np.nanquantile(data.latency, q),  # type: ignore[misc]  # mypy does not see that q is bound
            NUMPY,
        )
        yield Peer(f"latency_p{percent}_ratio", partial(latency_ratio, share=share), NUMPY)
    yield Peer("throughput", lambda data, _: 1000 / np.nanmean(data.latency), NUMPY)
    yield Peer("error_rate", lambda data, _: np.mean(data.error), NUMPY)
    yield Peer("cost_per_row", lambda data, _: np.nanmean(data.cost), NUMPY)
    yield Peer("model_size_mb", lambda data, _: data.performance.model_bytes / 1e6, DEFINITION)


def latency_ratio(data: Predictions, options: Options, *, share: float) -> float:
    both = ~np.isnan(data.latency) & ~np.isnan(data.production_latency)
    if not both.any():
        return math.nan
    return np.quantile(data.latency[both], share) / np.quantile(data.production_latency[both], share)


PEERS: list[Peer] = list(_peers())


def fits(peer: Peer, data: Predictions) -> bool:
    """Whether the metric with these options is one of that table."""
    if peer.source == STATSMODELS and np.isin(data.score, (0.0, 1.0)).any():
        return False  # which it clips in its own way
    named = peer.options.get("class")
    costs = peer.options.get("costs")
    if costs is not None and (len(data.classes) != len(costs) if isinstance(costs, list) else False):
        return False
    if isinstance(costs, dict) and ("fp" in costs) != (len(data.classes) == 2 and "fp" in costs):
        return False
    if isinstance(costs, dict) and "fp" not in costs and set(costs) != set(data.classes):
        return False
    if peer.name in ("precision", "recall", "f1") and named is None and data.task == "multiclass":
        return False
    if named is not None and named not in data.classes:
        return False
    return data.task in peer.metric.tasks


def covered() -> set[str]:
    """The names in ``METRICS`` that have a peer."""
    return {peer.metric.name for peer in PEERS} & set(METRICS)
