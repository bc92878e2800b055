"""What a backtest document says, in the order in which people ask: policies, their windows, thresholds around."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tidegate.reports import figures
from tidegate.reports.drift_charts import Sparkline, sparkline
from tidegate.reports.escape import terminal_text

Row = Mapping[str, Any]

_BESIDE = 6
"""Policies whose windows are shown side by side."""


@dataclass(frozen=True, slots=True)
class PolicyRow:
    """One policy.

    Attributes:
        about: as the document has it.
        recommended: whether it is what the backtest recommends.
        unsure: whether the windows cannot tell it from the recommended one.
        retrains: how many, and of them better than what they replaced.
        values: of the metric in its windows, those that it has.
    """

    about: Row
    recommended: bool
    unsure: bool
    retrains: int
    better: int
    values: list[float]

    @property
    def standing(self) -> str:
        """In a word."""
        return "recommended" if self.recommended else "not told apart" if self.unsure else "worse"

    @property
    def line(self) -> Sparkline | None:
        """Its values from window to window."""
        return sparkline(self.values)


@dataclass(frozen=True, slots=True)
class WindowRow:
    """One window under several policies: the metric, and after which it was retrained."""

    number: int
    start: Any
    rows: Any
    cells: list[tuple[Any, bool]]


@dataclass(frozen=True, slots=True)
class RetrainRow:
    """One retraining."""

    policy: Any
    window: int
    at: Any
    about: Row


@dataclass(frozen=True, slots=True)
class Told:
    """All that a backtest document says.

    Attributes:
        priced: whether there are costs.
        beside: the policies of `windows`, in their order.
        thresholds: the configured policy with other thresholds, the cheapest first.
        snippet: lines of YAML.
    """

    rows: list[PolicyRow]
    priced: bool
    beside: list[Any]
    windows: list[WindowRow]
    retrains: list[RetrainRow]
    thresholds: list[Row]
    snippet: list[str]


def read(document: Row) -> Told:
    """Read a backtest document."""
    advice = document.get("recommendation") or {}
    policies = list(document.get("policies") or [])
    chosen, unsure = advice.get("policy"), advice.get("not_told_apart") or []
    spans = {each.get("window"): each for each in document.get("windows") or []}
    beside = policies[:_BESIDE]
    return Told(
        rows=[_policy(each, chosen, unsure) for each in policies],
        priced=document.get("costs") is not None,
        beside=[each.get("name") for each in beside],
        windows=_windows(beside, spans),
        retrains=_retrains(policies, spans),
        thresholds=sorted(document.get("thresholds") or [], key=_loss),
        snippet=str(advice.get("snippet") or "").splitlines(),
    )


def tally(document: Row) -> str:
    """One sentence that counts what the recommendation rests on."""
    served = sum(bool(each.get("served")) for each in document.get("windows") or [])
    parts = [each for part in ("policies", "thresholds") for each in document.get(part) or []]
    policies = len({str(each.get("name")) for each in parts})
    return (
        f"{policies:,} policies over {served:,} windows, {figures.number(document.get('models'))} models,"
        f" judged by {terminal_text(str(document.get('metric')))}."
    )


def standing(about: Row, document: Row) -> str:
    """How one policy stands to the recommended one."""
    advice = document.get("recommendation") or {}
    return _policy(about, advice.get("policy"), advice.get("not_told_apart") or []).standing


def _policy(about: Row, chosen: Any, unsure: Sequence[Any]) -> PolicyRow:
    retrains = list(about.get("retrains") or [])
    known = [each.get("value") for each in about.get("windows") or []]
    name, same = about.get("name"), about.get("same_as")
    return PolicyRow(
        about=about,
        recommended=name == chosen,
        unsure=bool({name, same} & {chosen, *unsure} - {None}),
        retrains=len(retrains),
        better=sum(isinstance(each, Mapping) and each.get("outcome") == "better" for each in retrains),
        values=[value for value in known if value is not None],
    )


def _windows(policies: Sequence[Row], spans: Mapping[Any, Row]) -> list[WindowRow]:
    if not policies:
        return []
    found = []
    for served in zip(*(each.get("windows") or [] for each in policies), strict=False):
        number = int(served[0]["window"])
        span = spans.get(number) or {}
        cells = [(each.get("value"), each.get("decision") == "retrain") for each in served]
        found.append(WindowRow(number + 1, span.get("start"), span.get("rows"), cells))
    return found


def _retrains(policies: Sequence[Row], spans: Mapping[Any, Row]) -> list[RetrainRow]:
    return [
        RetrainRow(
            each.get("name"),
            int(retrain["window"]) + 1,
            (spans.get(retrain["window"]) or {}).get("end"),
            retrain,
        )
        for each in policies
        if each.get("kind") != "baseline"
        for retrain in each.get("retrains") or []
    ]


def _loss(about: Row) -> float:
    cost = about.get("cost")
    return float(about.get("points_lost") or 0.0) if cost is None else float(cost)
