"""What earlier drift reports say: the history, the level that this report may spend, and ages."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tidegate import history
from tidegate.commands.base import Invocation
from tidegate.commands.comparison_inputs import in_repository, serving_version
from tidegate.drift.alarms import AlarmLevel, Spent, alarm_level
from tidegate.drift.watchdog import LastGoodRun, last_good_run
from tidegate.errors import TidegateError
from tidegate.history.drift import PastReport
from tidegate.registry import lineage_path


@dataclass(frozen=True, slots=True)
class Past:
    """Earlier reports; None where no history is kept or can be read."""

    reports: list[PastReport] | None
    warnings: list[str]

    def summary(self, now: datetime) -> dict[str, Any]:
        """As the document tells it."""
        good: LastGoodRun | None = None if self.reports is None else last_good_run(now, self.reports)
        return {
            "kept": self.reports is not None,
            "reports": len(self.reports or ()),
            "last_good_run": good,
        }

    def level(self, now: datetime, windows: str, invocation: Invocation) -> AlarmLevel:
        """What this report may spend of the alarm budget."""
        drift = invocation.model.drift
        spent = None
        if self.reports is not None:
            spent = [
                Spent(report.at, _windows(report), report.kept.level)
                for report in self.reports
                if report.kept.level is not None
            ]
        return alarm_level(
            now,
            windows,
            spent,
            false_alarm_rate=drift.false_alarm_rate,
            false_per=drift.alarms.false_per if drift.alarms else None,
        )


def read_past(invocation: Invocation) -> Past:
    """The drift reports of the history; that it cannot be read is told and does not stop the watch."""
    if invocation.common.history == "off" or not in_repository():
        return Past(None, [])
    try:
        if not invocation.repository.git("remote"):
            return Past(None, [])
        found = history.read(invocation.repository, invocation.model_name, "drift-report")
        return Past(found.drift(), [])
    except TidegateError as error:
        return Past(None, [f"the history of earlier reports cannot be read: {error}"])


def windows_hash(reference: str, current: str) -> str:
    """One hash of both windows."""
    return hashlib.sha256(f"{reference}\n{current}".encode()).hexdigest()


def _windows(report: PastReport) -> str:
    pair = (report.kept.windows.reference, report.kept.windows.current)
    return windows_hash(*("" if each is None else each.sha256 for each in pair))


@dataclass(frozen=True, slots=True)
class Serving:
    """What is known of the production model.

    Attributes:
        digest: of its files; empty where not known.
        trained_at: with its time zone.
        trained_until: time of the newest row that it was trained on, as the lineage writes it.
    """

    digest: str
    trained_at: datetime | None
    trained_until: datetime | None

    def age(self, now: datetime) -> float | None:
        """Seconds since it was trained."""
        return None if self.trained_at is None else max((now - self.trained_at).total_seconds(), 0.0)


def serving_model(invocation: Invocation) -> Serving:
    """By the lineage in the working tree, and else by the registry."""
    lineage = _lineage(Path(lineage_path(invocation.model_name)))
    trained = _time(lineage.get("trained_at"))
    until = _time((lineage.get("training") or {}).get("end"))
    digest = str(lineage.get("digest") or "")
    if trained is None or not digest:
        try:
            version = serving_version(invocation) if in_repository() else None
        except TidegateError:
            version = None
        if version is not None:
            trained, digest = trained or _time(version.promoted_at), digest or version.digest
    return Serving(digest, trained, until)


def _lineage(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) and isinstance(found.get("training") or {}, dict) else {}


def _time(text: object) -> datetime | None:
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at
