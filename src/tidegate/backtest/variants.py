"""A small grid of thresholds around those of the configured policy."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from tidegate.wording import number

_CONSECUTIVE = (1, 2, 3)
_DROPS = (1.0, 0.5, 2.0)
_RATES = (1.0, 0.1, 5.0)
_MOST_RATE = 0.2


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What is varied; None where the policy does not depend on it."""

    consecutive: int
    min_drop: float | None = None
    false_alarm_rate: float | None = None

    def differences(self, other: "Thresholds") -> str:
        """In words, how this differs from another."""
        parts = []
        if self.consecutive != other.consecutive:
            parts.append(f"consecutive {self.consecutive}")
        if self.min_drop != other.min_drop:
            parts.append(f"min_drop {number(self.min_drop)}")
        if self.false_alarm_rate != other.false_alarm_rate:
            parts.append(f"false_alarm_rate {number(self.false_alarm_rate)}")
        return ", ".join(parts)


def around(base: Thresholds) -> Iterator[Thresholds]:
    """Combinations of thresholds other than the base itself; at most 26, or 35 with a `consecutive` beyond 3."""
    drops = [None] if base.min_drop is None else [_round(base.min_drop * factor) for factor in _DROPS]
    rates: list[float | None] = [None]
    if base.false_alarm_rate is not None:
        rates = [_round(min(base.false_alarm_rate * factor, _MOST_RATE)) for factor in _RATES]
    seen = {base}
    for consecutive, drop, rate in product(sorted({*_CONSECUTIVE, base.consecutive}), drops, rates):
        found = Thresholds(consecutive, drop, rate)
        if found not in seen:
            seen.add(found)
            yield found


def _round(value: float) -> float:
    """As a person would write it."""
    return float(f"{value:.3g}")
