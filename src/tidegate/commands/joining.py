"""Joining the predictions of production and of candidates by id."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from tempfile import TemporaryDirectory

import numpy as np

from tidegate.answers import score_columns
from tidegate.commands.agreement import as_production_has_it, refuse_disagreement
from tidegate.commands.base import Invocation
from tidegate.commands.baseline import Baseline
from tidegate.commands.evaluation import read_for, rows_identity
from tidegate.comparison import EvaluationSet
from tidegate.config import Columns, Compare
from tidegate.errors import ConfigError, DataError
from tidegate.metrics.base import Part
from tidegate.metrics.data import Predictions
from tidegate.scoring import require_unchanged
from tidegate.tables import Column, Meeting, Table, quote


@dataclass(frozen=True, slots=True)
class SetTables:
    """The tables of one evaluation set.

    Attributes:
        name: ``golden``, ``recent`` or ``given``.
        settled: sha256 of production's table before a candidate's command ran; None: none did.
        digests: of the candidates' models by name, where they are known.
        baseline: the production that made the predictions.
        place: the folder that the tables lie in, where it goes when nobody holds it any more.
    """

    name: str
    production: Table
    candidates: Mapping[str, Table]
    settled: str | None = None
    digests: Mapping[str, str] = field(default_factory=dict)
    baseline: Baseline | None = None
    place: TemporaryDirectory[str] | None = None


@dataclass(frozen=True, slots=True)
class Join:
    """How the rows of a candidate and of production met; rows whose id repeats meet nobody."""

    set: str
    candidate: str
    matched: int
    only_candidate: int
    only_production: int
    repeated_candidate: int
    repeated_production: int

    @property
    def lost(self) -> int:
        """Rows of both tables that were left out."""
        return self.only_candidate + self.only_production + self.repeated_candidate + self.repeated_production


@dataclass(frozen=True)
class SetInput:
    """One evaluation set, joined; what few readers need of it is worked out when it is first asked for.

    Attributes:
        tables: what was joined.
        columns: the parts that columns play.
        evaluation: the rows that all tables have, one to one by id.
        joins: how the rows of each candidate met production's.
        rows: (n,) int64, numbers of the joined rows in the production table, ascending.
    """

    tables: SetTables
    columns: Columns
    evaluation: EvaluationSet
    joins: list[Join]
    rows: np.ndarray

    @property
    def name(self) -> str:
        """``golden``, ``recent`` or ``given``."""
        return self.tables.name

    @property
    def production(self) -> Table:
        """Production's predictions."""
        return self.tables.production

    @property
    def candidates(self) -> Mapping[str, Table]:
        """The candidates' predictions by name."""
        return self.tables.candidates

    @property
    def features(self) -> Table:
        """The table to read further columns of the joined rows from; :attr:`rows` are its rows."""
        return self.tables.production

    @property
    def identifier(self) -> str:
        """The id column; a join without one is refused."""
        return self.columns.id or ""

    @cached_property
    def digests(self) -> dict[str, str]:
        """Candidate to 64 hex digits: of its model's files, or else of the table that was given."""
        return {
            name: self.tables.digests.get(name) or table.sha256 for name, table in self.candidates.items()
        }

    @cached_property
    def sha256(self) -> str:
        """Identity of the evaluation set: tables of the same rows share it, see :func:`rows_identity`."""
        return rows_identity(self.features, self.columns)

    @cached_property
    def _ids(self) -> np.ndarray:
        """The id of each joined row, integers or text."""
        ids: np.ndarray = np.ma.getdata(self.features.values(self.identifier))[self.rows]
        return ids

    def names(self, rows: np.ndarray) -> Column:
        """The ids of some of the joined rows as a category, whose levels are sorted."""
        found, codes = np.unique(self._ids[rows], return_inverse=True)
        return Column(self.identifier, "category", codes.astype(np.int32), tuple(found.tolist()))

    @cached_property
    def keys(self) -> np.ndarray:
        """(n,) uint64: a hash of each joined row's cluster where it has one, else of its id; alike on every machine."""
        keys = self.features.row_keys(self.columns.cluster, self.identifier)
        return np.asarray(keys[self.rows], dtype=np.uint64)


def join_set(invocation: Invocation, config: Compare, tables: SetTables) -> SetInput:
    """Rows that production and all candidates have, one to one by id.

    Raises:
        ConfigError: no ``columns.id:``.
        DataError: too few rows meet, or the tables disagree about what is true, or how rows count and belong together.
        UserCommandError: production's answers were rewritten after they were given.
    """
    if tables.settled is not None:
        require_unchanged(tables.production, tables.settled)
    columns = invocation.model.columns
    if columns.id is None:
        raise ConfigError(
            "`columns.id:` is missing in the config: it joins the candidate's rows to production's"
        )
    partners, joins = {}, []
    for name, table in tables.candidates.items():
        meeting = tables.production.meet(table, columns.id)
        joins.append(_told(tables.name, name, meeting, table, tables.production))
        _refuse_bad_match(joins[-1], config, tables.production, table, columns.id)
        partners[name] = np.full(tables.production.rows, -1)
        partners[name][meeting.ours] = meeting.theirs
    rows = np.flatnonzero(np.logical_and.reduce([each >= 0 for each in partners.values()]))
    if not len(rows):
        raise DataError(
            f"no row of the {tables.name} set is in all of the candidates' tables: compare candidates on the same rows"
        )
    production = _taken(_read(invocation, config, tables.production), rows)
    candidates = {
        name: _taken(_read(invocation, config, table), partners[name][rows])
        for name, table in tables.candidates.items()
    }
    # A class that one model never predicts is a class all the same.
    classes = tuple(sorted({c for each in (production, *candidates.values()) for c in each.classes}))
    if production.task == "multiclass":
        production = production.recoded(classes)
        candidates = {name: each.recoded(classes) for name, each in candidates.items()}
    for name, each in candidates.items():
        refuse_disagreement(each, production, columns, tables.candidates[name].path)
    judged = {name: as_production_has_it(each, production, config) for name, each in candidates.items()}
    evaluation = EvaluationSet(tables.name, production, judged)
    return SetInput(tables, columns, evaluation, joins, rows)


def _told(set_name: str, name: str, meeting: Meeting, candidate: Table, production: Table) -> Join:
    matched = len(meeting.ours)
    return Join(
        set=set_name,
        candidate=name,
        matched=matched,
        only_candidate=candidate.rows - matched - meeting.repeated_theirs,
        only_production=production.rows - matched - meeting.repeated_ours,
        repeated_candidate=meeting.repeated_theirs,
        repeated_production=meeting.repeated_ours,
    )


def _taken(data: Predictions, rows: np.ndarray) -> Predictions:
    """The examples at `rows`; without a copy where they are all of them, as they stand."""
    if len(rows) == data.rows and (rows == np.arange(len(rows))).all():
        return data
    return data.take(rows)


def _read(invocation: Invocation, config: Compare, table: Table) -> Predictions:
    """What the comparisons need of a table, and the answers themselves where it has usable ones."""
    uses = [config.primary, *config.guardrails]
    wished = _answers(invocation.model.columns, table) if invocation.model.task != "ranking" else set()
    if wished and (config.flipped_rows or config.segments is not None):
        try:
            return read_for(invocation, table, uses, wished)
        except DataError:
            # What no comparison needs may be missing or malformed; what one does is told by the next reading.
            pass
    return read_for(invocation, table, uses)


def _answers(columns: Columns, table: Table) -> set[Part]:
    """Label, prediction and score, as far as a table has them."""
    parts: dict[Part, list[str | None]] = {
        "score": [*score_columns(columns)],
        "prediction": [columns.prediction],
    }
    found = {part for part, names in parts.items() if names and all(name in table.schema for name in names)}
    if "score" in found and columns.prediction is None:
        found.add("prediction")
    return {*found, "label"} if found and columns.label in table.schema else set()


def _first(table: Table, column: str) -> str:
    value = table.scalar(f"min(CAST({quote(column)} AS VARCHAR))")
    return "no value at all" if value is None else repr(value)


def _refuse_bad_match(
    join: Join, config: Compare, production: Table, candidate: Table, identifier: str
) -> None:
    if join.matched == 0:
        raise DataError(
            f"{candidate.path} and {production.path} share no {identifier} (such as {_first(candidate, identifier)}"
            f" and {_first(production, identifier)}): are they predictions of the same rows, ids written alike?"
        )
    if join.lost / (join.matched + join.lost) <= config.max_unmatched_share:
        return
    counts = {
        f"only in {candidate.path}": join.only_candidate,
        f"only in {production.path}": join.only_production,
    }
    for table, repeated in ((candidate, join.repeated_candidate), (production, join.repeated_production)):
        counts[f"with a repeated {identifier} in {table.path}{_repeats(table, identifier)}"] = repeated
    told = ", ".join(f"{count:,} {where}" for where, count in counts.items() if count)
    raise DataError(
        f"{join.lost:,} of {join.matched + join.lost:,} rows have no partner by {identifier} ({told}), more than"
        f" `compare.max_unmatched_share: {config.max_unmatched_share:g}` allows: predict the same rows, each once,"
        " with both models"
    )


def _repeats(table: Table, identifier: str) -> str:
    repeated = table.duplicated(identifier, limit=1)
    return f" ({repeated[0][0]} stands {repeated[0][1]} times)" if repeated else ""
