"""Data quality and schema of the two windows: facts gathered from tables, findings made of facts."""

from tidegate.drift.quality.checking import check
from tidegate.drift.quality.facts import ClockFacts, ColumnFacts, IdFacts, QualityFacts
from tidegate.drift.quality.findings import MOST, Finding, Severity, bounded
from tidegate.drift.quality.gathering import gather
from tidegate.drift.quality.shared import overlap

__all__ = [
    "MOST",
    "ClockFacts",
    "ColumnFacts",
    "Finding",
    "IdFacts",
    "QualityFacts",
    "Severity",
    "bounded",
    "check",
    "gather",
    "overlap",
]
