"""``backtest``: replay a labelled history through trigger policies, and recommend one."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tidegate.backtest import (
    POINTS_ALONE,
    Judged,
    Onset,
    Prices,
    Recommendation,
    Run,
    Timeline,
    costed,
    estimated_onset,
    given_onset,
    judged,
    laid_out,
    onset_confidence,
    recommend,
    replay,
)
from tidegate.commands.backtest_history import History, cut_history, listed_history
from tidegate.commands.backtest_models import StoredVersions, TrainedModels, Version
from tidegate.commands.backtest_policies import (
    Entrant,
    configured,
    default_drop,
    given,
    matching,
    read_trials,
    scheduled,
    snippet,
    variants,
)
from tidegate.commands.backtest_progress import Progress
from tidegate.commands.backtest_state import State
from tidegate.commands.backtest_world import HistoryWorld, label_wait
from tidegate.commands.base import Invocation
from tidegate.commands.looking import metric_of
from tidegate.config import Model, Retrain, parse_duration
from tidegate.documents import Document, make_document
from tidegate.drift.figures import Measure
from tidegate.drift.performance import DEFAULT_DROP
from tidegate.errors import ConfigError, DataError, UsageError
from tidegate.wording import first_few, plural

STATE = "backtest-state"


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for.

    Attributes:
        history: a labelled table; or else `windows`.
        windows: tables that are windows, in order.
        window: length of a window.
        onset: when the change began, if it is known.
        policies: file of further policies.
        periodic: further schedules, in windows.
        first: windows before the first model serves.
        train_last: how much of the history a model is trained on.
        predictions: of stored versions, each ``DATE=FILE`` or ``DATE=COLUMN``.
        max_retrains: models that may be trained after the first.
        thresholds: whether thresholds around the configured ones are tried.
    """

    history: str | None = None
    windows: Sequence[str] = ()
    window: str | None = None
    onset: str | None = None
    policies: Path | None = None
    periodic: Sequence[int] = ()
    first: int | None = None
    train_last: str | None = None
    predictions: Sequence[str] = ()
    max_retrains: int | None = None
    thresholds: bool = True


def run(invocation: Invocation, request: Request) -> int:
    """Replay, report, and return the exit code: a recommendation stops nothing."""
    # Hours of training are not to end at a folder that cannot be written to.
    invocation.check_output_dir()
    document = backtest_document(invocation, request)
    invocation.publish(document)
    invocation.comment_on_pull_request(document)
    return 0


def backtest_document(invocation: Invocation, request: Request) -> Document:
    """The recommendation, with everything that it rests on."""
    model = invocation.model
    metric = _metric(model)
    onset_at = _moment(request.onset)
    trials = read_trials(request.policies) if request.policies is not None else {}
    base = _base(model, metric)
    if not base.when and not trials:
        raise ConfigError(
            "there is no policy to try: write conditions under `retrain.when:`, or give --policies FILE"
        )
    state = State(invocation.common.output_dir / STATE)
    history = _history(invocation, request, state)
    delay = model.drift.label_delay or timedelta(0)
    versions = [_version(invocation, history, spec) for spec in request.predictions]
    timeline = _timeline(history, delay, versions, request.first)
    models = _models(model, history, timeline, state, versions, request)
    world = HistoryWorld(invocation, model, metric, history, timeline, models, state)
    replays = _Replays(world, Progress(len(timeline.served)))
    runs = replays.all(_entrants(model, base, trials, timeline))
    runs += replays.all(_schedules(runs, request.periodic, timeline))
    if request.thresholds and base.when:
        runs += replays.all(list(variants(base, model.drift)))
    replays.progress.end()
    whole = [each for each in runs if each.stopped is None]
    onset = _onset(world, timeline, onset_at, base)
    prices = _prices(model)
    costs = costed(whole, prices or POINTS_ALONE, higher_is_better=world.measure.how.sign > 0)
    if not costs.compared:
        raise DataError(
            f"{metric} has no value in any window that is served: there are too few labels, or of one class alone"
        )
    found = judged(costs, timeline, onset, prices)
    advice = recommend(costs, prices, snippet=snippet)
    rows = sum(span.rows for span in timeline.spans)
    return make_document(
        "backtest",
        model=invocation.model_name,
        decision=advice.policy,
        reasons=_reasons(advice, onset, found),
        warnings=[
            *history.warnings,
            *label_wait(history, delay),
            *_left_out(runs, request.max_retrains),
            *_unpriced(prices),
        ],
        config=invocation.loaded,
        data=_data(history),
        body={
            "metric": metric,
            "better": world.measure.how.better,
            "costs": None if prices is None else {"retrain": prices.retrain, "point_of_metric": prices.point},
            "label_delay_days": delay.total_seconds() / 86_400,
            "windows": _windows(timeline, history),
            "first": timeline.first,
            "compared": costs.compared,
            "rows": rows,
            "models": models.trained,
            "onset": onset,
            "policies": [
                _policy(each) for each in found if each.kind != "variant" or each.name == advice.policy
            ],
            "thresholds": [_brief(each) for each in found if each.kind == "variant"],
            "left_out": [each.name for each in runs if each.stopped is not None],
            "recommendation": advice,
        },
    )


@dataclass(frozen=True, slots=True)
class _Replays:
    world: HistoryWorld
    progress: Progress

    def all(self, entrants: Sequence[Entrant]) -> list[Run]:
        self.progress.expect(len(entrants))
        runs = []
        for each in entrants:
            self.progress.start(each.name)
            runs.append(
                replay(
                    each.name,
                    each.kind,
                    each.settings,
                    each.fresh(),
                    self.world,
                    on_window=self.progress.window,
                )
            )
        return runs


def _metric(model: Model) -> str:
    metric = metric_of(model)
    if metric is None:
        raise ConfigError(
            "models cannot be judged: name `task`, `columns.label` and `columns.score` or `columns.prediction`, and for"
            " a ranking the metric in `retrain.when` (performance_drop: {metric: ...})"
        )
    return metric


def _history(invocation: Invocation, request: Request, state: State) -> History:
    if (request.history is None) == (not request.windows):
        raise UsageError("give the history as one table with --history, or as its windows with --windows")
    length = _length(request.window, "--window")
    if request.windows:
        return listed_history(invocation, request.windows, length)
    if length is None:
        raise UsageError(
            "--window is missing: how long the windows are that --history is cut into, such as 7d"
        )
    return cut_history(invocation, str(request.history), length, state.windows)


def _length(text: str | None, option: str) -> timedelta | None:
    try:
        return None if text is None else parse_duration(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--onset: {text!r} is no time: write it as 2013-06-01") from None
    return found if found.tzinfo is None else found.astimezone(UTC).replace(tzinfo=None)


def _version(invocation: Invocation, history: History, spec: str) -> Version:
    """One version of ``DATE=FILE`` or ``DATE=COLUMN``."""
    when, _, where = spec.partition("=")
    try:
        since = datetime.fromisoformat(when.strip())
    except ValueError:
        since = None
    if since is None or not where:
        raise UsageError(
            f"--predictions {spec!r}: write the time until which its training rows reach, = and the table of its"
            " predictions or their column, such as 2013-04-01=april.parquet"
        )
    since = since if since.tzinfo is None else since.astimezone(UTC).replace(tzinfo=None)
    name = when.strip()
    if all(where in table.schema for table in history.tables):
        return Version(since, name, None, where)
    return Version(since, name, invocation.open(where), None)


def _timeline(history: History, delay: timedelta, versions: Sequence[Version], first: int | None) -> Timeline:
    if not versions:
        return laid_out(history.spans, label_delay=delay, first=first)
    oldest = min(version.since for version in versions)
    served = next((i for i, span in enumerate(history.spans) if span.start >= oldest), len(history.spans))
    if first is not None and first < served:
        raise UsageError(f"--first {first:,}: the oldest --predictions serves from window {served + 1:,} on")
    return laid_out(history.spans, label_delay=delay, first=served if first is None else first, labelled=0)


def _models(
    model: Model,
    history: History,
    timeline: Timeline,
    state: State,
    versions: Sequence[Version],
    request: Request,
) -> TrainedModels | StoredVersions:
    last = _length(request.train_last, "--train-last")
    if not versions:
        return TrainedModels(
            model,
            history,
            timeline,
            state,
            last=last,
            most=request.max_retrains,
            on_line=lambda line: None,
        )
    if last is not None or request.max_retrains is not None:
        raise UsageError(
            "--train-last and --max-retrains are about training: leave them out with --predictions"
        )
    if len({version.since for version in versions}) < len(versions):
        raise UsageError("two of --predictions have the same time")
    return StoredVersions(model, history, timeline, state, versions)


def _base(model: Model, metric: str) -> Retrain:
    """The configured `retrain:`, with the size of drop that it has by default written out."""
    retrain = model.retrain or Retrain()
    drop = retrain.performance_drop()
    # For errors the size follows the reference of each model, which no single number stands for.
    relative = Measure(drop.metric or metric).how.better != "higher"
    return retrain if relative or drop.min_drop is not None else default_drop(retrain, DEFAULT_DROP)


def _entrants(model: Model, base: Retrain, trials: dict[str, Any], timeline: Timeline) -> list[Entrant]:
    own = [configured(base, model.drift)] if base.when else []
    others = [given(name, trial, model.drift) for name, trial in trials.items()]
    return [*own, *others, scheduled(0, timeline)]


def _schedules(runs: Sequence[Run], periodic: Sequence[int], timeline: Timeline) -> list[Entrant]:
    """Schedules: as many retrainings as the first policy has, those that were asked for, and after every window."""
    first = next((run for run in runs if run.stopped is None), None)
    matched = matching(len(first.path), timeline) if first is not None else None
    asked = [each for each in (matched, *periodic) if each is not None and each > 1]
    return [scheduled(windows, timeline) for windows in [*sorted(set(asked)), 1]]


def _onset(world: HistoryWorld, timeline: Timeline, moment: datetime | None, base: Retrain) -> Onset:
    if moment is not None:
        return given_onset(timeline, moment)
    confidence = onset_confidence(len(timeline.served))
    drop = base.performance_drop()
    own = drop.metric is None or drop.metric == world.measure.metric
    size = drop.min_drop if own else None
    return estimated_onset(timeline, lambda window: world.first_drop(window, size, confidence))


def _prices(model: Model) -> Prices | None:
    costs = model.retrain.costs if model.retrain is not None else None
    return None if costs is None else Prices(costs.retrain, costs.point_of_metric)


def _reasons(advice: Recommendation, onset: Onset, found: Sequence[Judged]) -> list[str]:
    told = [*advice.sentence.split("; "), onset.sentence]
    for each in found:
        if each.kind == "configured" and each.false_alarms:
            told.append(
                f"{each.false_alarms:,} of {plural(each.alarms, 'alarm')} of the configured policy were for nothing"
            )
    return told


def _left_out(runs: Sequence[Run], most: int | None) -> list[str]:
    names = [run.name for run in runs if run.stopped is not None]
    if not names:
        return []
    return [f"--max-retrains {most:,} was too few for {first_few(names, separator='; ')}: not compared"]


def _unpriced(prices: Prices | None) -> list[str]:
    if prices is not None:
        return []
    return [
        "without `retrain.costs` (retrain, point_of_metric) policies are compared by points of the metric alone, and"
        " among those that cannot be told apart by how seldom they retrain"
    ]


def _data(history: History) -> dict[str, Any]:
    if len(history.whole) == 1:
        return {"history": history.whole[0]}
    return {f"window {i + 1}": table for i, table in enumerate(history.whole)}


def _windows(timeline: Timeline, history: History) -> list[dict[str, Any]]:
    return [
        {
            "window": i,
            "start": span.start.isoformat(timespec="seconds") if history.dated else None,
            "end": span.end.isoformat(timespec="seconds") if history.dated else None,
            "rows": span.rows,
            "served": i in timeline.served,
        }
        for i, span in enumerate(timeline.spans)
    ]


def _policy(each: Judged) -> dict[str, Any]:
    """A policy as the document has it: the value of a window beside the rest of it."""
    plain = asdict(each)
    for window in plain["windows"]:
        window |= window.pop("value")
    for retrain, own in zip(plain["retrains"], each.retrains, strict=True):
        retrain |= {**retrain.pop("contrast"), "outcome": own.outcome}
    return plain


def _brief(each: Judged) -> dict[str, Any]:
    """A variant: what it achieved, without its windows."""
    plain = _policy(each)
    del plain["windows"]
    return {**plain, "retrains": [retrain["window"] for retrain in plain["retrains"]]}
