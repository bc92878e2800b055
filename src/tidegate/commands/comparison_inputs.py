"""What a comparison stands on: the tables of each evaluation set, joined row by row, and what they are held to."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tidegate.commands.base import Invocation
from tidegate.commands.baseline import GIVEN, Baseline
from tidegate.commands.evaluation import read_registry, scorer, working_model
from tidegate.commands.joining import Join, SetInput, SetTables, join_set
from tidegate.commands.judges import own_judge
from tidegate.commands.predicted import evaluation_sets, predicted, reads_latency, serving_model
from tidegate.commands.unseen import TrainedModel, require_unseen, unchecked
from tidegate.comparison import PRODUCTION
from tidegate.config import Compare
from tidegate.errors import ConfigError, UsageError
from tidegate.registry import Version, artifact_files, artifacts_digest
from tidegate.tables import Table
from tidegate.wording import plural

__all__ = [
    "Baseline",
    "Inputs",
    "Join",
    "SetInput",
    "SetTables",
    "gather",
    "in_repository",
    "join_all",
    "open_candidates",
    "serving_version",
]


@dataclass(frozen=True, slots=True)
class Inputs:
    """All that a comparison reads.

    Attributes:
        sets: in the order of the config; the primary is judged on the first.
        baseline: what is known of the production that candidates are held to; None where nothing is.
        warnings: sentences that do not change the decision.
    """

    sets: list[SetInput]
    baseline: Baseline | None = None
    warnings: list[str] = field(default_factory=list)


def gather(
    invocation: Invocation, config: Compare, candidates: Sequence[str], production: str | None
) -> Inputs:
    """Open the tables that were given, make those that were not, and join them.

    Args:
        invocation: gives the configuration, the repository and the user's tables.
        config: what is compared.
        candidates: tables of candidates as ``FILE`` or ``NAME=FILE``; none: the model in the working tree.
        production: production's table; None: the registry's production version.

    Raises:
        UsageError, ConfigError: a table was not given, and the config does not say how to make it.
        DataError: a table is missing, empty or malformed; too few rows meet; a model was trained on the recent rows.
        RepositoryError: production's files are not what was promoted.
        UserCommandError: ``predict:`` fails.
    """
    moved = own_judge(invocation)
    if candidates or production is not None:
        tables, warnings = _given(invocation, config, candidates, production)
        return join_all(invocation, config, [tables], [*moved, *warnings])
    made, warnings = _of_models(invocation, config)
    return join_all(invocation, config, made, [*moved, *warnings])


def join_all(
    invocation: Invocation, config: Compare, sets: Sequence[SetTables], warnings: Sequence[str] = ()
) -> Inputs:
    """The inputs of tables that are at hand already, such as those of a model that was just trained."""
    joined = [join_set(invocation, config, each) for each in sets]
    lost = [
        f"{plural(join.lost, 'row')} without exactly one partner on the {join.set} set were left out"
        for each in joined
        for join in each.joins
        if join.lost
    ]
    baseline = next((each.baseline for each in sets if each.baseline is not None), None)
    return Inputs(joined, baseline, [*warnings, *lost])


def open_candidates(invocation: Invocation, specs: Sequence[str]) -> dict[str, Table]:
    """The tables of candidates by name, from ``FILE`` or ``NAME=FILE``.

    Raises:
        UsageError: a name or a file is missing, or a name stands for two.
        DataError: a file is missing or malformed.
    """
    tables: dict[str, Table] = {}
    for spec in specs:
        name, path = _named(spec)
        if not name or not path:
            raise UsageError(f"--candidate {spec!r}: give FILE or NAME=FILE")
        if name == PRODUCTION:
            raise UsageError(
                f"--candidate {spec!r}: 'production' is what candidates are held to; give it another name, as in"
                " --candidate mine=FILE"
            )
        if name in tables:
            raise UsageError(f"two candidates are called {name!r}: name them, as in --candidate small=FILE")
        tables[name] = invocation.open(path)
    return tables


def _named(spec: str) -> tuple[str, str]:
    """``NAME=FILE``, or a file whose own name serves."""
    name, equals, path = spec.partition("=")
    if equals and "/" not in name and "\\" not in name and not Path(spec).exists():
        return name, path
    return Path(spec).stem or spec, spec


def serving_version(invocation: Invocation) -> Version | None:
    """The registry's production version; None without one, or outside of a repository."""
    return read_registry(invocation).production() if in_repository() else None


def in_repository() -> bool:
    """Whether the command runs in a git repository."""
    return any((folder / ".git").exists() for folder in (Path.cwd(), *Path.cwd().parents))


def _given(
    invocation: Invocation, config: Compare, candidates: Sequence[str], production: str | None
) -> tuple[SetTables, list[str]]:
    """Tables that were given; the side that was not is made on the golden set."""
    tables, digests, golden = open_candidates(invocation, candidates), {}, None
    settled = place = None
    warnings = unchecked(invocation) if "recent" in config.sets else []
    if len(config.sets) > 1:
        warnings.append(f"tables were given: they stand for all of {' and '.join(config.sets)}")
    if not tables and invocation.model.golden is None:
        raise UsageError(
            "--candidate is missing: give the candidate's predictions, or name `golden:` and `predict:` in the config"
        )
    serving = None if production is not None else serving_version(invocation)
    if production is None and serving is None:
        raise UsageError(
            "--production is missing: give the production model's predictions, or pass --first-release when no"
            " model runs in production yet"
        )
    if serving is None or production is not None:
        rival, baseline = invocation.open(str(production)), GIVEN
    else:
        golden = evaluation_sets(invocation, ["golden"])["golden"]
        with serving_model(invocation, config, serving) as model:
            rival = model.table("golden", golden)
            baseline, place = model.baseline(golden), model.place
    if not tables:
        # The candidate's command can write wherever this process can.
        settled = rival.sha256
        golden = evaluation_sets(invocation, ["golden"])["golden"]
        folder = working_model(invocation)
        tables["candidate"] = scorer(invocation).table(folder, golden, "the candidate on the golden set")
        digests["candidate"] = artifacts_digest(artifact_files(folder).items())
    if golden is not None and reads_latency(config, invocation.model.columns):
        warnings.append(
            "latency was measured here for one model and elsewhere for the other: a difference may be the machine's"
        )
    return SetTables(
        "given",
        rival,
        tables,
        settled=settled,
        digests=digests,
        baseline=baseline,
        place=place,
    ), warnings


def _of_models(invocation: Invocation, config: Compare) -> tuple[list[SetTables], list[str]]:
    """The candidate's tables from the working tree, production's from the registry."""
    serving = read_registry(invocation).production()
    if serving is None:
        raise ConfigError(
            f"the registry has no production version of {invocation.model_name!r}: give --candidate and --production"
            " tables, or pass --first-release if no model runs in production yet"
        )
    folder = working_model(invocation)
    digest = artifacts_digest(artifact_files(folder).items()) if folder.is_dir() else ""
    data = evaluation_sets(invocation, config.sets)
    warnings = []
    if digest == serving.digest:
        warnings.append(f"the model in the working tree is production version {serving.version} itself")
    if "recent" in data:
        models = [TrainedModel("the candidate", digest), TrainedModel.serving(serving)]
        warnings += require_unseen(invocation, data["recent"], models)
    made = predicted(invocation, config, serving, folder, data)
    return made.sets, [*warnings, *made.warnings]
