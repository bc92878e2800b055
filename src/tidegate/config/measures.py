"""A metric with its options, on all rows or on slices."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from tidegate.config.sections import Scalar, Section
from tidegate.config.spelling import metric_instead
from tidegate.metrics import METRICS, PATTERNS, Found, Metric, find
from tidegate.metrics.cuts import Cut
from tidegate.suggest import did_you_mean
from tidegate.tables import Want

Costs = dict[str | int | bool, float | dict[str | int | bool, float]] | list[list[float]]


def _known_metric(name: str) -> str:
    if find(name) is None and f"{name}@k" not in METRICS:
        raise ValueError(f"unknown metric {name!r}.{_nearest(name)}")
    return name


def _nearest(name: str) -> str:
    """What to write instead of an unknown name; one that is right but for its number keeps the rest."""
    instead = metric_instead(name)
    if instead is not None:
        return f" Write {instead}."
    base, at, _ = name.partition("@")
    if at and find(f"{base}@1") is not None:
        return f" After @ stands a whole number from 1 on, such as {base}@10."
    if name.startswith("latency_p"):
        return " A percentile lies between 0 and 100, such as latency_p95 or latency_p99.9."
    if at:
        ranked = {known.partition("@")[0] for known, each in METRICS.items() if "k" in each.accepted}
        return did_you_mean(name, [f"{known}@10" for known in ranked])
    return did_you_mean(name, METRICS)


MetricName = Annotated[
    str,
    AfterValidator(_known_metric),
    WithJsonSchema(
        {"anyOf": [{"enum": sorted(METRICS)}, *({"type": "string", "pattern": p} for p in PATTERNS)]}
    ),
]


class Bins(Section):
    """How a column of numbers or times is cut into slices."""

    edges: list[float] | None = Field(default=None, min_length=1, description="numbers: cut at these values")
    quantiles: int | None = Field(default=None, ge=2, le=20, description="numbers: this many of equal size")
    period: Literal["hour", "day", "week", "month", "quarter", "year"] | None = Field(
        default=None, description="times: one slice per period"
    )

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if sum(value is not None for value in (self.edges, self.quantiles, self.period)) != 1:
            raise ValueError("give exactly one of `edges:`, `quantiles:` and `period:`")
        if self.edges is not None and self.edges != sorted(set(self.edges)):
            raise ValueError("`edges:` must rise from each to the next")
        return self


SlicePart = (
    str
    | Annotated[
        dict[str, Bins | Scalar | Annotated[list[Scalar], Field(min_length=1)]],
        Field(min_length=1, max_length=1),
    ]
)
SliceSpec = SlicePart | Annotated[list[SlicePart], Field(min_length=2, max_length=4)]


def cuts(spec: SliceSpec) -> tuple[Cut, ...]:
    """What a slice is made of: one column, or several crossed."""
    return tuple(map(_cut, spec)) if isinstance(spec, list) else (_cut(spec),)


def _cut(part: SlicePart) -> Cut:
    if isinstance(part, str):
        return Cut(part)
    column, how = next(iter(part.items()))
    if isinstance(how, Bins):
        edges = None if how.edges is None else tuple(how.edges)
        return Cut(column, edges=edges, quantiles=how.quantiles, period=how.period)
    return Cut(column, values=tuple(how) if isinstance(how, list) else (how,))


class MetricUse(Section):
    """A metric with its options, on all rows or on slices."""

    metric: MetricName
    column: str | None = Field(default=None, description="the column that `mean` and its kin are taken of")
    by: SliceSpec | None = Field(
        default=None, description="the protected column of a fairness metric; a list crosses several"
    )
    k: int | None = Field(default=None, ge=1, description="how many classes or items count as the top")
    at: float | None = Field(
        default=None,
        description="what `share_above` and its kin compare with, and what `precision_at_recall` and its kin hold",
    )
    quantile: float | None = Field(
        default=None, gt=0, lt=1, description="the quantile of `pinball_loss` and `quantile`"
    )
    class_: Scalar | None = Field(
        default=None,
        alias="class",
        description="the class that precision, recall and F1 are of; with several classes the default is each of them",
    )
    bins: int | None = Field(default=None, ge=2, le=100, description="number of bins of a calibration metric")
    binning: Literal["uniform", "quantile"] | None = Field(
        default=None, description="bins of equal width or of equal size"
    )
    costs: Costs | None = Field(
        default=None,
        description="of `expected_cost`: {label: {prediction: cost}}, or {fp, fn, tp, tn}, or a matrix",
    )
    range: Annotated[list[float | None], Field(min_length=2, max_length=2)] | None = Field(
        default=None, description="of `out_of_range_share`: lowest and highest allowed; null for no limit"
    )
    values: str | Annotated[list[Scalar], Field(min_length=1)] | None = Field(
        default=None, description="of `unseen_share`: the known values, or a table that holds them"
    )
    slices: list[SliceSpec] = Field(default_factory=list)
    min_rows: int | None = Field(
        default=None, ge=0, description="slices whose metric stands on fewer rows are skipped (default 1)"
    )

    @model_validator(mode="before")
    @classmethod
    def _other_spellings(cls, data: Any) -> Any:
        """One slice without brackets, and ``{column: amount, quantiles: 4}`` for ``{amount: {quantiles: 4}}``."""
        if not isinstance(data, dict):
            return data
        result = dict(data)
        if isinstance(result.get("slices"), str):
            result["slices"] = [result["slices"]]
        for key in ("slices", "worst_slice"):
            if isinstance(result.get(key), list):
                result[key] = [_one_key(spec) for spec in result[key]]
        return result

    @property
    def found(self) -> Found:
        """The metric that the name stands for, with the options that the name implies."""
        # Without its k such a metric is known, and what it lacks is said of it.
        found = find(self.metric, self.k) or find(f"{self.metric}@k")
        if found is None:
            raise LookupError(self.metric)
        return found

    @property
    def definition(self) -> Metric:
        """The metric that the name stands for."""
        return self.found.metric

    @property
    def options(self) -> dict[str, Any]:
        """The options that the metric takes, as given or by default; a protected column as how it is cut."""
        metric, implied = self.definition, self.found.implied
        given = {name: getattr(self, _FIELDS.get(name, name)) for name in sorted(metric.accepted)}
        chosen = {
            name: value if value is not None else implied.get(name, metric.defaults.get(name))
            for name, value in given.items()
        }
        if self.by is not None:
            chosen["by"] = cuts(self.by)
        return {name: value for name, value in chosen.items() if value is not None}

    @property
    def settings(self) -> dict[str, float | str]:
        """The options besides columns, in the form that is published."""
        aside = {"column", "by", "min_rows", "costs", *self.found.implied}
        return {name: _shown(value) for name, value in self.options.items() if name not in aside}

    @property
    def protected(self) -> str | list[str] | None:
        """The protected columns, as they are published."""
        if self.by is None:
            return None
        names = [cut.column for cut in cuts(self.by)]
        return names[0] if len(names) == 1 else names

    @property
    def reads(self) -> dict[str, Want]:
        """Further columns that are read, those of the slices aside."""
        return self.definition.columns(self.options)

    @model_validator(mode="after")
    def _options_fit(self) -> Self:
        for spec in (*self.slices, *([self.by] if self.by is not None else [])):
            crossed = [cut.column for cut in cuts(spec)]
            if len(set(crossed)) < len(crossed):
                raise ValueError(f"{crossed[0]!r} is crossed with itself: name each column once")
        metric, implied = self.definition, self.found.implied
        for option in OPTIONS:
            given = getattr(self, _FIELDS.get(option, option)) is not None
            if option in implied and given and getattr(self, option) != implied[option]:
                raise ValueError(f"metric {self.metric!r} names its `{option}:` already; remove it")
            if given and option not in metric.accepted:
                takes = ", ".join(f"`{each}:`" for each in OPTIONS if each in metric.accepted)
                but = f"; it takes {takes}" if takes else ""
                raise ValueError(f"metric {self.metric!r} takes no `{option}:`{but}")
            if option in metric.options and not given and option not in implied:
                raise ValueError(f"metric {self.metric!r} needs `{option}:`")
        metric.check(self.options)
        return self


def _one_key(spec: Any) -> Any:
    if isinstance(spec, list):
        return [_one_key(part) for part in spec]
    if isinstance(spec, dict) and isinstance(spec.get("column"), str) and len(spec) > 1:
        how = {key: value for key, value in spec.items() if key != "column"}
        return {spec["column"]: how["values"] if set(how) == {"values"} else how}
    return spec


OPTIONS = ("column", "by", "k", "at", "quantile", "class", "bins", "binning", "costs", "range", "values")
_FIELDS = {"class": "class_"}


def _shown(value: Any) -> float | str:
    if isinstance(value, list):
        if len(value) == 2 and all(each is None or isinstance(each, int | float) for each in value):
            return " to ".join("any" if each is None else f"{each:g}" for each in value)
        return f"{len(value)} known"
    return value if isinstance(value, int | float | str) else str(value)
