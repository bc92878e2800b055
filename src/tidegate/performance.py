"""What was measured of a model as a whole: a JSON file that a load test writes.

All keys are optional::

    {"latency_ms": [12.1, 9.8, ...] or {"p50": 9.9, "p95": 14.2}, "throughput": 310.5, "errors": 3, "requests": 5000,
     "error_rate": 0.0006, "cost_per_row": 0.0002, "model_size_bytes": 48211033,
     "interleaved": true, "production": {"latency_ms": [11.9, 10.3, ...]}}

Latency of production counts only when both were measured interleaved, sample for sample: else one of them had the
machine at a better time.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tidegate.documents import is_number
from tidegate.errors import DataError
from tidegate.metrics.data import Performance
from tidegate.suggest import did_you_mean

_KEYS = (
    "latency_ms",
    "throughput",
    "errors",
    "requests",
    "error_rate",
    "cost_per_row",
    "model_size_bytes",
    "interleaved",
    "production",
)
_EXAMPLE = '{"latency_ms": [12.1, 9.8]}'
MAX_BYTES = 100_000_000


class _Repeated(Exception):
    """A key that stands twice; JSON would keep the last in silence."""


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        raise _Repeated(next(name for name in names if names.count(name) > 1))
    return content


def read_performance(path: Path, shown: str) -> Performance:
    """Read and check the file.

    Raises:
        DataError: it is missing, is no JSON, or holds something that makes no sense.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(f"{shown} has over {MAX_BYTES:,} bytes: write a sample of the latencies")
        content = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_without_repeats)
    except OSError as error:
        raise DataError(f"{shown}, named by `performance:`, cannot be read: {error.strerror}") from None
    except _Repeated as error:
        raise DataError(f"{shown}: key {error.args[0]!r} stands twice: remove one") from None
    except (ValueError, RecursionError):
        raise DataError(
            f"{shown}, named by `performance:`, is no JSON: write an object in UTF-8, such as {_EXAMPLE}"
        ) from None
    if not isinstance(content, dict):
        raise DataError(f"{shown} must hold an object, such as {_EXAMPLE}")
    for key in content:
        if key not in _KEYS:
            raise DataError(f"{shown}: unknown key {key!r}.{did_you_mean(key, _KEYS)}")
    return _Reader(shown, content).performance()


class _Reader:
    def __init__(self, shown: str, content: Mapping[str, Any]) -> None:
        self.shown = shown
        self.content = content

    def performance(self) -> Performance:
        given = self.content.get("latency_ms")
        if not isinstance(given, list | dict | None):
            raise DataError(
                f"{self.shown}: 'latency_ms' must be a list of milliseconds or an object of percentiles"
            )
        if not isinstance(self.content.get("interleaved", False), bool):
            raise DataError(f"{self.shown}: 'interleaved' must be true or false")
        requests = self._count("requests")
        latency = self._samples(given, "latency_ms") if isinstance(given, list) else None
        return Performance(
            latency=latency,
            production_latency=self._of_production(latency),
            percentiles=self._percentiles(given) if isinstance(given, dict) else {},
            throughput=self._number("throughput"),
            error_rate=self._error_rate(requests),
            requests=requests,
            cost_per_row=self._number("cost_per_row"),
            model_bytes=self._count("model_size_bytes"),
        )

    def _samples(self, given: Any, key: str) -> np.ndarray:
        if not given or not all(is_number(value) and value >= 0 for value in given):
            raise DataError(f"{self.shown}: {key!r} must hold milliseconds, not negative, at least one")
        return np.asarray(given, dtype=np.float64)

    def _percentiles(self, given: Mapping[str, Any]) -> dict[float, float]:
        result = {}
        for name, value in given.items():
            match = re.fullmatch(r"p([0-9]{1,2}(?:\.[0-9]+)?)", name)
            if match is None or not float(match[1]) or not is_number(value) or value < 0:
                raise DataError(
                    f"{self.shown}: 'latency_ms' holds {name!r}: write percentiles such as \"p95\": 14.2"
                )
            share = float(match[1]) / 100
            if share in result:
                raise DataError(f"{self.shown}: 'latency_ms' holds {name!r} twice: remove one")
            result[share] = float(value)
        ordered = [value for _, value in sorted(result.items())]
        if ordered != sorted(ordered):
            raise DataError(
                f"{self.shown}: 'latency_ms' falls from one percentile to a higher one: mend the figures"
            )
        return result

    def _of_production(self, latency: np.ndarray | None) -> np.ndarray | None:
        production = self.content.get("production")
        if production is None:
            return None
        if not isinstance(production, dict) or not isinstance(production.get("latency_ms"), list):
            raise DataError(f"{self.shown}: 'production' must be an object with a list 'latency_ms'")
        for key in production:
            if key != "latency_ms":
                raise DataError(
                    f"{self.shown}: unknown key {key!r} under 'production', which has 'latency_ms' alone"
                )
        samples = self._samples(production["latency_ms"], "production.latency_ms")
        if self.content.get("interleaved") is not True:
            return None
        if latency is None or len(latency) != len(samples):
            raise DataError(
                f"{self.shown}: latencies measured interleaved come in pairs, but there are"
                f" {0 if latency is None else len(latency)} and {len(samples)}"
            )
        return samples

    def _error_rate(self, requests: int | None) -> float | None:
        errors, rate = self._count("errors"), self._number("error_rate")
        if errors is None:
            if rate is not None and rate > 1:
                raise DataError(f"{self.shown}: 'error_rate' is a share between 0 and 1, not {rate:g}")
            return rate
        if not requests or errors > requests:
            raise DataError(f"{self.shown}: 'errors' needs 'requests', of which they are a part")
        if rate is not None and abs(rate - errors / requests) > 1e-6:
            raise DataError(
                f"{self.shown}: 'error_rate' {rate:g} is not {errors:,} errors of {requests:,} requests: remove one"
            )
        return errors / requests

    def _number(self, key: str) -> float | None:
        value = self.content.get(key)
        if value is None:
            return None
        if not is_number(value) or value < 0:
            raise DataError(f"{self.shown}: {key!r} must be a number that is not negative")
        return float(value)

    def _count(self, key: str) -> int | None:
        value = self._number(key)
        if value is None:
            return None
        if not value.is_integer():
            raise DataError(f"{self.shown}: {key!r} must be a whole number")
        return int(value)
