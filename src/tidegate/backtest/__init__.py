"""Replaying a labelled history through trigger policies: what each would have done, and cost. Pure."""

from tidegate.backtest.costing import POINTS_ALONE, Costed, Prices, costed, may_be_best
from tidegate.backtest.judging import (
    days_until,
    estimated_onset,
    false_alarms,
    given_onset,
    onset_confidence,
)
from tidegate.backtest.recommending import judged, recommend
from tidegate.backtest.replay import OneTooMany, World, replay
from tidegate.backtest.results import (
    Contrast,
    Judged,
    Kind,
    Onset,
    Recommendation,
    Retrained,
    Run,
    Served,
    Value,
)
from tidegate.backtest.strategies import Asked, Every, Policed, Serving, Signals, Strategy
from tidegate.backtest.timeline import Span, Timeline, laid_out
from tidegate.backtest.variants import Thresholds, around

__all__ = [
    "POINTS_ALONE",
    "Asked",
    "Contrast",
    "Costed",
    "Every",
    "Judged",
    "Kind",
    "OneTooMany",
    "Onset",
    "Policed",
    "Prices",
    "Recommendation",
    "Retrained",
    "Run",
    "Served",
    "Serving",
    "Signals",
    "Span",
    "Strategy",
    "Thresholds",
    "Timeline",
    "Value",
    "World",
    "around",
    "costed",
    "days_until",
    "estimated_onset",
    "false_alarms",
    "given_onset",
    "judged",
    "laid_out",
    "may_be_best",
    "onset_confidence",
    "recommend",
    "replay",
]
