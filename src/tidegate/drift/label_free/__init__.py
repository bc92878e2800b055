"""Performance of a window whose labels are not there yet: CBPE and PAPE for classification, DLE for regression."""

from tidegate.drift.label_free.calibration import StoredCalibration
from tidegate.drift.label_free.estimating import (
    EstimateMethod,
    estimate_from_calibration,
    estimate_performance,
    fit_calibration,
)
from tidegate.drift.label_free.results import Estimated
from tidegate.drift.label_free.stored import from_json, to_json

__all__ = [
    "EstimateMethod",
    "Estimated",
    "StoredCalibration",
    "estimate_from_calibration",
    "estimate_performance",
    "fit_calibration",
    "from_json",
    "to_json",
]
