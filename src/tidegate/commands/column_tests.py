"""Every column of two windows, tested as it is read: summaries of a few columns at a time are in memory."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import timedelta

import numpy as np

from tidegate.commands.drift_windows import Sample, Side
from tidegate.config import Drift
from tidegate.drift.chunk_baseline import ChunkBaseline, from_json
from tidegate.drift.chunks import against_chunks, chunk_baseline, chunk_codes
from tidegate.drift.column_test import ColumnTest
from tidegate.drift.embeddings import embedding_drift
from tidegate.drift.profile import Profile
from tidegate.drift.quality import Finding
from tidegate.drift.results import Columns
from tidegate.drift.summaries import Summary, summarise
from tidegate.drift.univariate import compare_summaries
from tidegate.tables import Column

OUTCOMES = ("prediction", "predicted_class", "label")
_LEAST_LENGTH = timedelta(seconds=1)


@dataclass(slots=True)
class Tested:
    """Tests of all columns, with the features of rows that further questions need."""

    columns: Columns
    reference: Sample | None
    current: Sample | None
    findings: list[Finding] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Chunks:
    """The reference in chunks of time: codes of its rows, or baselines that a profile has kept."""

    codes: np.ndarray | None
    kept: dict[str, ChunkBaseline]

    def baseline(self, key: str, column: Column | None) -> ChunkBaseline | None:
        """Of one column."""
        if self.codes is None or column is None:
            return self.kept.get(key)
        return chunk_baseline(column, self.codes)


def outcome_columns(side: Side) -> dict[str, Column | None]:
    """Score or prediction, predicted class, and the labels that have arrived (those missing say nothing of drift)."""
    return {"prediction": side.prediction, "predicted_class": side.predicted_class, "label": side.label}


def key_of(outcome: str) -> str:
    """By which a profile knows a column that is no feature."""
    return f"({outcome})"


def test_columns(
    reference: Side | Profile,
    current: Side,
    features: Sequence[str],
    drift: Drift,
    *,
    level: float,
    keep: bool,
) -> Tested:
    """Test every column that both windows have.

    Args:
        reference: the window that things are compared with.
        current: the window under watch.
        features: columns of both.
        drift: sizes, texts, and what varies by chance.
        level: of all tests together.
        keep: whether features of a sample of the rows are to be kept.
    """
    outcomes = _outcomes(reference, current)
    count = max(len(features) + len(outcomes), 1)
    tester = _Tester(reference, current, drift, level / count)
    kept: tuple[dict[str, Column], dict[str, Column]] = ({}, {})
    vectors = set(current.vectors) & set(features)
    plain = [name for name in features if name not in vectors]
    found_by_name = {}
    for name, (then, now) in zip(plain, _side_by_side(reference, current, plain), strict=True):
        found_by_name[name] = tester.test(name, name, then, now)
        for side, column, own in zip((reference, current), (then, now), kept, strict=True):
            if keep and column is not None and isinstance(side, Side):
                own[name] = column if side.rows == len(side.sampled) else column.take(side.sampled)
    if isinstance(reference, Side):
        found_by_name |= {
            name: embeddings(reference, current, name, drift, level / count) for name in vectors
        }
    tests = [found_by_name[name] for name in features if name in found_by_name]
    found = {
        name: tester.test(key_of(name), now.name, then, now, rows=rows)
        for name, (then, now, rows) in outcomes.items()
    }
    return Tested(
        Columns(features=tests, **found),
        Sample(reference.sampled, kept[0]) if keep and isinstance(reference, Side) else None,
        Sample(current.sampled, kept[1]) if keep else None,
        tester.findings,
    )


def embeddings(reference: Side, current: Side, name: str, drift: Drift, level: float) -> ColumnTest:
    """The test of a column of vectors."""
    read = [side.table.read_vectors(name) for side in (reference, current)]
    cluster = None
    if reference.cluster is not None and current.cluster is not None:
        cluster = (reference.cluster.take(read[0].rows), current.cluster.take(read[1].rows))
    return embedding_drift(
        name,
        read[0].values,
        read[1].values,
        min_effect=drift.min_effect,
        level=level,
        cluster=cluster,
    )


_Rows = tuple[np.ndarray | None, np.ndarray | None]


def _outcomes(reference: Side | Profile, current: Side) -> dict[str, tuple[Column | None, Column, _Rows]]:
    """Outcomes that both windows have, with the rows of them that are tested."""
    now = outcome_columns(current)
    then = outcome_columns(reference) if isinstance(reference, Side) else dict.fromkeys(OUTCOMES)
    found: dict[str, tuple[Column | None, Column, _Rows]] = {}
    for name, column in now.items():
        other = then[name]
        there = other is not None if isinstance(reference, Side) else key_of(name) in reference.columns
        if column is None or not there:
            continue
        rows: _Rows = (None, None)
        if name == "label":
            if column.missing.all() or (other is not None and other.missing.all()):
                continue
            rows = (
                None if other is None else np.flatnonzero(~other.missing),
                np.flatnonzero(~column.missing),
            )
        found[name] = (other, column, rows)
    return found


def _side_by_side(
    reference: Side | Profile, current: Side, names: Sequence[str]
) -> Iterator[tuple[Column | None, Column]]:
    if isinstance(reference, Profile):
        yield from ((None, column) for column in current.columns(names))
        return
    with ThreadPoolExecutor(1) as beside:
        then, now = reference.columns(names), current.columns(names)
        for _ in names:
            # Reading waits for the disk and sorting for nobody: the windows take one thread each.
            waiting = beside.submit(next, then)
            column = next(now)
            yield waiting.result(), column


class _Tester:
    def __init__(self, reference: Side | Profile, current: Side, drift: Drift, level: float) -> None:
        self._reference = reference
        self._current = current
        self._drift = drift
        self._level = level
        self._times = [
            _values(side.times) if isinstance(side, Side) else None for side in (reference, current)
        ]
        self._clusters = [side.clusters if isinstance(side, Side) else None for side in (reference, current)]
        self.findings: list[Finding] = []
        self._chunks = self._cut() if drift.baseline == "chunks" else None

    def test(
        self, key: str, name: str, then: Column | None, now: Column, *, rows: _Rows = (None, None)
    ) -> ColumnTest:
        text = True if name in self._drift.texts else None
        with ThreadPoolExecutor(1) as beside:
            summary = None
            if then is not None and now.kind == "number":
                # Numbers do not need to know of each other, and take a sort each.
                summary = beside.submit(self._summary, 1, now, rows[1], None, text)
            before = self._before(key, then, rows[0], text)
            after = summary.result() if summary else self._summary(1, now, rows[1], before, text)
        test = compare_summaries(before, after, min_effect=self._drift.min_effect, level=self._level)
        test = replace(test, name=name)
        if self._chunks is None:
            return test
        return self._against_chunks(test, self._chunks.baseline(key, then), now)

    def _before(self, key: str, then: Column | None, rows: np.ndarray | None, text: bool | None) -> Summary:
        if isinstance(self._reference, Profile):
            return self._reference.columns[key]
        if then is None:
            raise ValueError(f"the column {key!r} of the reference was not read")
        return self._summary(0, then, rows, None, text)

    def _summary(
        self, side: int, column: Column, rows: np.ndarray | None, like: Summary | None, text: bool | None
    ) -> Summary:
        times, cluster = self._times[side], self._clusters[side]
        if rows is not None:
            column = column.take(rows)
            times, cluster = (None if each is None else each[rows] for each in (times, cluster))
        return summarise(column, like=like, text=text, timestamp=times, cluster=cluster)

    def _against_chunks(self, test: ColumnTest, baseline: ChunkBaseline | None, now: Column) -> ColumnTest:
        if baseline is None:
            return test
        found = against_chunks(baseline, now, level=self._level)
        finding = Finding("chunks", None, None, found.warning, "info")
        # Columns have the same chunks, and mostly the same to be said of them.
        if found.warning and finding not in self.findings:
            self.findings.append(finding)
        return replace(
            test,
            test="chunks of time",
            statistic=found.statistic,
            p_value=found.p_value,
            effect=found.effect,
            detectable=found.detectable,
            detail=found.detail,
            baseline="chunks",
        )

    def _cut(self) -> _Chunks | None:
        times = self._current.times
        if times is None or (self._times[0] is None and isinstance(self._reference, Side)):
            self.findings.append(
                Finding(
                    "chunks",
                    None,
                    None,
                    "`baseline: chunks` needs times in `columns.timestamp` of both windows: rows are taken for"
                    " independent instead",
                )
            )
            return None
        if isinstance(self._reference, Profile):
            kept = (self._reference.chunks or {}).get("columns") or {}
            if not kept:
                self.findings.append(
                    Finding(
                        "chunks", None, None, "the profile was made without `baseline: chunks`: make it again"
                    )
                )
            return _Chunks(None, {name: from_json(each) for name, each in kept.items()})
        length = self._drift.chunk or window_length(times)
        return _Chunks(chunk_codes(np.asarray(self._times[0]), length), {})


def window_length(times: Column) -> timedelta:
    """How much time a window takes: from the first to the last row, and as long as a row takes on average beyond."""
    known = times.values[~times.missing].astype("datetime64[us]")
    between = int((known.max() - known.min()).astype(np.int64))
    return max(timedelta(microseconds=between * len(known) // max(len(known) - 1, 1)), _LEAST_LENGTH)


def _values(times: Column | None) -> np.ndarray | None:
    return None if times is None else times.values
