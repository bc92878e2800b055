"""What is expected without labels, against the labels: coverage, error, false alarms, and what it is blind to."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from simulation import assert_at_least, assert_at_most, repetitions

from tidegate.drift.label_free import Estimated, estimate_performance
from tidegate.metrics import METRICS
from tidegate.metrics.data import Predictions

sys.path.insert(0, str(Path(__file__).parent.parent / "unit"))
from label_free_windows import Features, binary, numbers, several, unlabelled

pytestmark = pytest.mark.statistical

Draw = Callable[..., tuple[Predictions, Features]]


@dataclass
class Tally:
    """How estimates of one metric fared."""

    runs: int = 0
    covered: int = 0
    drop_covered: int = 0
    fired: int = 0
    disagreed: int = 0
    errors: list[float] = field(default_factory=list)
    naive: list[float] = field(default_factory=list)

    def add(self, found: Estimated, realised: float) -> None:
        sign = METRICS[found.metric].sign
        self.runs += 1
        self.covered += found.value_ci[0] <= realised <= found.value_ci[1]
        self.drop_covered += found.ci[0] <= sign * (found.reference_value - realised) <= found.ci[1]
        self.fired += found.ci[0] > 0
        self.disagreed += found.agreement is not None and found.agreement.disagrees
        self.errors.append(found.value - realised)
        self.naive.append(found.reference_value - realised)

    def __str__(self) -> str:
        ours, reference = (float(np.sqrt(np.mean(np.square(each)))) for each in (self.errors, self.naive))
        shares = {
            "coverage": self.covered,
            "of the drop": self.drop_covered,
            "excludes zero": self.fired,
            "disagrees": self.disagreed,
        }
        told = ", ".join(f"{what} {count / self.runs:.3f}" for what, count in shares.items())
        return (
            f"{told}, bias {np.mean(self.errors):+.4f}, root mean squared error {ours:.4f}"
            f" (of the reference's value {reference:.4f})"
        )


def simulate(
    draw: Draw,
    metrics: tuple[str, ...],
    runs: int,
    rows: tuple[int, int],
    *,
    method: str = "cbpe",
    arrived: int = 0,
    both: dict[str, float] | None = None,
    **moved: float,
) -> dict[str, Tally]:
    rng = np.random.default_rng(11)
    tallies = {name: Tally() for name in metrics}
    for _ in range(runs):
        reference, known = draw(rng, rows[0], **(both or {}))
        current, features = draw(rng, rows[1], **{**(both or {}), **moved})
        seen = unlabelled(current) if arrived == 0 else _partly(current, arrived)
        for name, tally in tallies.items():
            found = estimate_performance(
                name,
                reference,
                seen,
                reference_features=known,
                current_features=features,
                method=method,
                min_drop=0.0,
            )
            assert isinstance(found, Estimated), found
            tally.add(found, METRICS[name].linearise(current, {}).value)
    for name, tally in tallies.items():
        print(f"{draw.__name__} {moved} {method} {name}: {tally}")
    return tallies


def _partly(data: Predictions, arrived: int) -> Predictions:
    assert data.label is not None
    return replace(data, label=np.where(np.arange(data.rows) < arrived, data.label, -1))


CLASSES = ("accuracy", "recall", "precision", "f1", "roc_auc", "average_precision", "log_loss", "brier_score")


@pytest.mark.parametrize("shift", [0.0, 0.8])
def test_cbpe_covers_the_metric_that_labels_show(shift: float) -> None:
    found = simulate(binary, CLASSES, repetitions(5, 500), (2_000, 1_000), shift=shift)
    for tally in found.values():
        assert_at_least(tally.covered, tally.runs, 0.93)
        assert_at_least(tally.drop_covered, tally.runs, 0.93)


def test_cbpe_covers_in_small_windows_too() -> None:
    found = simulate(binary, ("accuracy", "recall", "roc_auc"), repetitions(8, 1_000), (200, 100), shift=0.3)
    for tally in found.values():
        assert_at_least(tally.covered, tally.runs, 0.93)


def test_cbpe_of_a_rare_class_covers() -> None:
    found = simulate(
        binary, ("recall", "roc_auc", "log_loss"), repetitions(5, 500), (4_000, 2_000), both={"base": -4.0}
    )
    for tally in found.values():
        assert_at_least(tally.covered, tally.runs, 0.93)


def test_cbpe_of_several_classes_covers() -> None:
    found = simulate(
        several, ("accuracy", "f1_macro", "log_loss"), repetitions(3, 500), (3_000, 1_500), shift=0.5
    )
    for tally in found.values():
        # One curve for each class, divided by their sum, is not quite the law of several classes.
        assert_at_least(tally.covered, tally.runs, 0.92)


def test_without_a_change_estimates_seldom_fire() -> None:
    found = simulate(
        binary, ("accuracy", "roc_auc", "recall", "log_loss"), repetitions(40, 2_000), (2_000, 1_000)
    )
    for tally in found.values():
        assert_at_most(tally.fired, tally.runs, 0.025)


def test_pape_covers_where_a_feature_moved_that_the_score_ignores() -> None:
    both = {"hidden": 1.0}
    runs = repetitions(2, 150)
    weighted = simulate(
        binary, ("log_loss", "accuracy"), runs, (1_500, 1_500), method="pape", both=both, hidden_shift=0.8
    )
    plain = simulate(binary, ("log_loss", "accuracy"), runs, (1_500, 1_500), both=both, hidden_shift=0.8)
    for name, tally in weighted.items():
        assert_at_least(tally.covered, tally.runs, 0.93)
        assert_at_most(plain[name].covered, plain[name].runs, 0.8)
        assert np.mean(np.square(tally.errors)) < np.mean(np.square(plain[name].errors))


@pytest.mark.parametrize("shift", [0.0, 0.7])
def test_dle_covers_the_error_that_labels_show(shift: float) -> None:
    found = simulate(
        numbers,
        ("mean_absolute_error", "root_mean_squared_error"),
        repetitions(1, 100),
        (1_500, 1_000),
        method="auto",
        shift=shift,
    )
    for tally in found.values():
        # The weights are estimated too, and taken for known.
        assert_at_least(tally.covered, tally.runs, 0.9)
        if shift:
            assert np.mean(np.square(tally.errors)) < 0.2 * np.mean(np.square(tally.naive))
        else:
            assert_at_most(tally.fired, tally.runs, 0.025)


def test_concept_drift_is_not_seen_without_labels_and_is_with_a_few() -> None:
    runs = repetitions(6, 500)
    blind = simulate(binary, ("accuracy",), runs, (3_000, 2_000), concept=1.0)["accuracy"]
    assert_at_most(blind.covered, runs, 0.01)
    assert_at_most(blind.fired, runs, 0.025)
    seeing = simulate(binary, ("accuracy",), runs, (3_000, 2_000), arrived=300, concept=1.0)["accuracy"]
    assert_at_least(seeing.disagreed, runs, 0.95)


def test_labels_that_agree_are_seldom_said_to_disagree() -> None:
    runs = repetitions(12, 1_000)
    found = simulate(binary, ("accuracy", "roc_auc"), runs, (3_000, 1_000), arrived=300, shift=0.5)
    for tally in found.values():
        assert_at_most(tally.disagreed, runs, 0.07)
