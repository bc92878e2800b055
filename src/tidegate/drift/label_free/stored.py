"""A stored calibration as JSON. What is read back may have been written by anybody."""

import json
from dataclasses import asdict
from typing import Any

import numpy as np

from tidegate.drift.label_free.calibration import StoredCalibration
from tidegate.drift.label_free.rows import MOST_CLASSES
from tidegate.errors import DataError

_SCHEMA = "tidegate/calibration/1"
_LARGEST = 50_000_000
_TERMS = 13
_ROUNDING = 1e-6
_FAR = 1e100


def to_json(stored: StoredCalibration) -> str:
    """The calibration in one line of JSON."""
    return json.dumps({"schema": _SCHEMA, **asdict(stored)}, allow_nan=False, sort_keys=True)


def from_json(text: str, *, shown: str = "the stored calibration") -> StoredCalibration:
    """Read a calibration back.

    Args:
        text: what :func:`to_json` wrote.
        shown: what to call it in an error.

    Raises:
        DataError: it is no calibration, or its parts do not fit together.
    """
    from pydantic import TypeAdapter, ValidationError

    remedy = "make it anew from a labelled reference"
    if len(text) > _LARGEST:
        raise DataError(f"{shown} is larger than {_LARGEST:,} characters: {remedy}")
    try:
        raw: Any = json.loads(text)
        if not isinstance(raw, dict) or raw.pop("schema", None) != _SCHEMA:
            raise DataError(f"{shown} is not of the form {_SCHEMA}: {remedy}")
        found = TypeAdapter(StoredCalibration).validate_json(json.dumps(raw, allow_nan=False))
    except (ValueError, RecursionError, ValidationError) as error:
        where = ".".join(map(str, error.errors()[0]["loc"])) if isinstance(error, ValidationError) else ""
        raise DataError(f"{shown} cannot be read{f' at {where}' if where else ''}: {remedy}") from None
    problem = _problem(found)
    if problem:
        raise DataError(f"{shown} contradicts itself: {problem}; {remedy}")
    return found


def _problem(stored: StoredCalibration) -> str:
    """What does not fit together; empty when all does."""
    k = len(stored.classes)
    if stored.task not in ("binary", "multiclass") or not 2 <= k <= MOST_CLASSES:
        return "task and classes"
    if len(set(stored.classes)) != k or (stored.task == "binary") != (len(stored.curves) == 1):
        return "classes and curves"
    if len(stored.curves) != (1 if stored.task == "binary" else k) or len(stored.ranges) != len(
        stored.curves
    ):
        return "the number of curves"
    for curve in stored.curves:
        knots = np.asarray(curve.knots)
        if len(curve.coefficients) != 3 + len(knots) or len(curve.coefficients) > _TERMS:
            return "the coefficients of a curve"
        if (np.diff(knots) <= 0).any() or not 0 < curve.clip < 0.5 or min(curve.spread) <= 0:
            return "the terms of a curve"
    size = sum(len(curve.coefficients) for curve in stored.curves)
    if any(len(row) != size for row in stored.covariance) or len(stored.covariance) != size:
        return "the shape of the covariance"
    matrix = np.asarray(stored.covariance)
    largest = float(np.abs(matrix).max())
    if largest > _FAR or not np.allclose(matrix, matrix.T):
        return "the covariance is none"
    if np.linalg.eigvalsh(matrix).min() < -_ROUNDING * largest:
        return "the covariance has negative variances"
    if any(len(each.covariance) != size or each.variance < 0 for each in stored.metrics.values()):
        return "the covariance of a metric"
    if stored.rows < 1 or stored.effective_rows <= 0 or stored.design_effect < 1:
        return "the number of rows"
    return "" if all(low <= high for low, high in stored.ranges) else "the range of scores"
