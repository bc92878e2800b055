"""The replay: window by window, what serves, what is decided, and what becomes of it. Pure: a world answers."""

from collections.abc import Callable
from typing import Any, Protocol

from tidegate.backtest.results import Contrast, Kind, Retrained, Run, Served, Value
from tidegate.backtest.strategies import NOTHING, Serving, Strategy, Watched
from tidegate.errors import TidegateError


class OneTooMany(TidegateError):
    """Another model would have to be trained than was allowed."""


class World(Watched, Protocol):
    """A history in which models can be trained, serve and be judged."""

    @property
    def first(self) -> str:
        """The model that serves first."""

    def train(self, window: int, serving: str) -> str | None:
        """The model that is trained with what is known at the end of `window`; None where none can be had.

        Raises:
            OneTooMany: it would have to be trained first, and no more may be.
        """

    def value(self, model: str, window: int) -> Value:
        """The metric of a model on a window, on all labels, whenever they came."""

    def contrast(self, new: str, old: str, window: int) -> Contrast:
        """Two models on the rows of a window."""


def replay(
    name: str,
    kind: Kind,
    settings: dict[str, Any],
    strategy: Strategy,
    world: World,
    *,
    on_window: Callable[[int], None] = lambda window: None,
) -> Run:
    """Live through the windows under one policy.

    A decision at the end of a window sees what is known by then and nothing later; a model that is trained on it
    serves from the next window on. Values and contrasts are hindsight: they judge and decide nothing.

    Args:
        name: of the policy, as it is reported; so are the next two.
        kind: where it comes from.
        settings: keys of the configuration that make it.
        strategy: the policy, fresh.
        world: what happened and what would have.
        on_window: called before each window.
    """
    timeline = world.timeline
    serving = Serving(world.first, timeline.first - 1)
    windows: list[Served] = []
    retrains: list[Retrained] = []
    for window in timeline.served:
        on_window(window)
        last = window not in timeline.decided
        step = NOTHING if last else strategy.decide(world, serving, window)
        value = world.value(serving.model, window)
        decision, why, trained = step.decision, step.why, None
        if step.retrain:
            try:
                trained = world.train(window, serving.model)
            except OneTooMany:
                return Run(name, kind, settings, windows, retrains, stopped=window)
            if trained is None:
                decision, why = "watch", f"{why}; there was no newer model to be had"
        windows.append(
            Served(window, serving.model, value, None if last else decision, step.fired, step.alarm, why)
        )
        if trained is not None:
            contrast = world.contrast(trained, serving.model, window + 1)
            retrains.append(Retrained(window, trained, serving.model, why, contrast))
            serving = Serving(trained, window)
    return Run(name, kind, settings, windows, retrains)
