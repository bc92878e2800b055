import json
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from workspace import Workspace, environment, project, workspace

from tidegate.commands.base import Common, Invocation
from tidegate.commands.comparison_inputs import Inputs, SetInput, SetTables, gather, join_all, open_candidates
from tidegate.commands.evaluation import rows_identity
from tidegate.config import Columns
from tidegate.errors import ConfigError, DataError, TidegateError, UsageError
from tidegate.registry import artifact_files, artifacts_digest
from tidegate.registry.fingerprint import fingerprint_of
from tidegate.tables import Column, open_table

__all__ = ["project", "workspace"]

MODEL = "models/late-delivery"
CONFIG = """\
version: 1
models:
  m:
    task: {task}
    columns: {columns}
    {more}
    compare: {compare}
"""
BINARY = {"id": "id", "label": "y", "score": "s"}
ACCURACY = {"primary": {"metric": "accuracy", "require": "non_inferior", "margin": 0.5}}


def invocation(place: Workspace, **variables: str) -> Invocation:
    for name in ("GITHUB_ACTIONS", "GITHUB_EVENT_PATH", "RUNNER_TEMP"):
        place.monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        place.monkeypatch.setenv(name, value)
    place.monkeypatch.chdir(place.root)
    common = Common(Path(".github/tidegate.yml"), None, Path("tidegate-out"), "none", False, "stop")
    return Invocation("compare-to-prod", common)


def inputs(place: Workspace, *candidates: str, production: str | None = None, **variables: str) -> Inputs:
    run = invocation(place, **variables)
    return gather(run, run.need("compare", run.model.compare), candidates, production)


def configure(
    place: Workspace,
    compare: Any = ACCURACY,
    columns: Any = BINARY,
    task: str = "binary",
    **more: Any,
) -> None:
    lines = "\n    ".join(f"{key}: {json.dumps(value)}" for key, value in more.items())
    text = CONFIG.format(task=task, columns=json.dumps(columns), compare=json.dumps(compare), more=lines)
    place.configure(text)


def identity(path: Path, label: str = "y") -> str:
    return rows_identity(open_table(str(path)), Columns(id="id", label=label))


def ids_of(found: SetInput) -> Column:
    return found.names(np.arange(len(found.rows)))


def answers(count: int = 60, **more: Any) -> list[Mapping[str, Any]]:
    return [{"id": i * 7 % count, "y": i % 2, "s": (i * 37 % 100) / 100, **more} for i in range(count)]


class TestGivenTables:
    def test_rows_meet_by_id_and_carry_what_belongs_to_them(self, workspace: Workspace) -> None:
        configure(workspace, {**ACCURACY, "max_unmatched_share": 0.5})
        workspace.table("p.csv", answers())
        workspace.table("c.csv", [{**row, "s": 0.25} for row in answers()[::-1][:50]])
        found = inputs(workspace, "c.csv", production="p.csv")
        (only,) = found.sets

        assert (only.name, list(only.candidates), only.identifier) == ("given", ["c"], "id")
        assert only.rows.tolist() == list(range(10, 60))
        assert [ids_of(only).levels[code] for code in ids_of(only).values] == [
            str(row["id"]) for row in answers()[10:]
        ]
        assert ids_of(only).levels == tuple(sorted(ids_of(only).levels))
        assert only.evaluation.production.score is not None
        assert only.evaluation.production.score.tolist() == [row["s"] for row in answers()[10:]]
        assert set(np.ravel(only.evaluation.candidates["c"].score)) == {0.25}
        assert (only.joins[0].matched, only.joins[0].only_production, only.joins[0].lost) == (50, 10, 10)
        assert found.warnings == ["10 rows without exactly one partner on the given set were left out"]
        assert found.baseline is not None
        assert (found.baseline.source, found.baseline.version) == ("given", None)
        assert only.digests == {"c": open_table(str(workspace.root / "c.csv")).sha256}

    def test_keys_follow_the_id_and_stay_within_a_cluster(self, workspace: Workspace) -> None:
        rows = [
            {**row, "who": None if int(row["id"]) < 10 else f"w{int(row['id']) % 4}"} for row in answers()
        ]
        workspace.table("p.csv", rows)
        workspace.table("q.csv", rows[::-1])
        workspace.table("c.csv", rows)
        configure(workspace)
        by_id = [dict(zip(ids(each), each.keys.tolist(), strict=True)) for each in joined(workspace)]
        configure(workspace, columns={**BINARY, "cluster": "who"})
        clustered = joined(workspace)[0]

        assert by_id[0] == by_id[1]
        assert len(set(by_id[0].values())) == 60
        keys = dict(zip(ids(clustered), clustered.keys.tolist(), strict=True))
        assert len(set(keys.values())) == 14
        assert keys["12"] == keys["16"] != keys["13"]
        assert keys["3"] == by_id[0]["3"]

    def test_ids_that_are_numbers_stay_numbers(self, workspace: Workspace) -> None:
        configure(workspace)
        for name in ("p", "c"):
            source = open_table(str(workspace.table(f"{name}.csv", answers())))
            source.export(workspace.root / f"{name}.parquet", select="CAST(id AS BIGINT) AS id, y, s")
        only = inputs(workspace, "c.parquet", production="p.parquet").sets[0]

        assert ids_of(only).levels == tuple(range(60))
        assert ids_of(only).values.tolist() == [row["id"] for row in answers()]

    def test_the_set_is_known_by_its_ids_and_labels_however_they_are_stored(
        self, workspace: Workspace
    ) -> None:
        configure(workspace)
        workspace.table("c.csv", answers())
        workspace.table("p.csv", answers())
        workspace.write("p.jsonl", "\n".join(json.dumps({**row, "s": 0.5}) for row in answers()[::-1]) + "\n")
        workspace.table("other.csv", [{**row, "id": row["id"] + 1} for row in answers()])
        same = [inputs(workspace, "c.csv", production=name).sets[0].sha256 for name in ("p.csv", "p.jsonl")]
        moved = inputs(workspace, "other.csv", production="other.csv").sets[0].sha256

        assert same[0] == same[1] != moved
        assert len(same[0]) == 64

    def test_predictions_of_the_golden_rows_use_up_the_golden_set(self, workspace: Workspace) -> None:
        configure(workspace, golden="golden.csv")
        golden = workspace.table("golden.csv", [{"id": row["id"], "y": row["y"]} for row in answers()])
        workspace.table("p.csv", answers()[::-1])
        of_golden = inputs(workspace, "p.csv", production="p.csv").sets[0]
        workspace.table("q.csv", answers(40))
        of_others = inputs(workspace, "q.csv", production="q.csv").sets[0]

        # It takes a pass over the rows, which only those pay who ask.
        assert "sha256" not in vars(of_golden)
        assert of_golden.sha256 == identity(golden) != of_others.sha256

    def test_several_candidates_are_judged_on_the_rows_of_all(self, workspace: Workspace) -> None:
        configure(workspace, {**ACCURACY, "max_unmatched_share": 0.2})
        workspace.table("p.csv", answers())
        workspace.table("a.csv", answers()[2:])
        workspace.table("b.csv", answers()[:-3])
        only = inputs(workspace, "first=a.csv", "b.csv", production="p.csv").sets[0]

        assert list(only.evaluation.candidates) == ["first", "b"]
        assert only.rows.tolist() == list(range(2, 57))
        assert {each.rows for each in only.evaluation.candidates.values()} == {55}
        assert [(join.candidate, join.matched) for join in only.joins] == [("first", 58), ("b", 57)]

    def test_candidates_without_a_row_in_common_are_refused(self, workspace: Workspace) -> None:
        configure(workspace, {**ACCURACY, "max_unmatched_share": 0.9})
        workspace.table("p.csv", answers())
        workspace.table("a.csv", answers()[:30])
        workspace.table("b.csv", answers()[30:])
        with pytest.raises(DataError, match="no row of the given set is in all"):
            inputs(workspace, "a.csv", "b.csv", production="p.csv")

    @pytest.mark.parametrize("spec", ["production.csv", "production=c.csv"])
    def test_no_candidate_is_called_production(self, workspace: Workspace, spec: str) -> None:
        with pytest.raises(UsageError, match="give it another name"):
            open_candidates(invocation(workspace), [spec])

    def test_answers_that_no_comparison_needs_are_read_where_they_are_usable(
        self, workspace: Workspace
    ) -> None:
        configure(workspace, {"primary": {"metric": "mean", "column": "kpi", "better": "higher"}})
        workspace.table("p.csv", answers(kpi=1))
        workspace.table("c.csv", answers(kpi=1))
        usable = inputs(workspace, "c.csv", production="p.csv").sets[0].evaluation.production
        workspace.table("p.csv", [{**row, "s": 7} for row in answers(kpi=1)])
        raw = inputs(workspace, "c.csv", production="p.csv").sets[0].evaluation.production
        configure(
            workspace,
            {"primary": {"metric": "mean", "column": "kpi", "better": "higher"}, "flipped_rows": 0},
        )
        unwished = inputs(workspace, "c.csv", production="c.csv").sets[0].evaluation.production

        assert usable.label is not None
        assert usable.prediction is not None
        assert (raw.label, raw.score, raw.rows) == (None, None, 60)
        assert (unwished.label, unwished.score) == (None, None)

    def test_tables_at_hand_are_joined_alike(self, workspace: Workspace) -> None:
        configure(workspace)
        path = str(workspace.table("p.csv", answers()))
        run = invocation(workspace)
        tables = SetTables("golden", open_table(path), {"candidate": open_table(path)})
        found = join_all(run, run.need("compare", run.model.compare), [tables], ["so it is"])

        assert found.sets[0].sha256 == identity(Path(path))
        assert (found.warnings, found.baseline) == (["so it is"], None)


def ids(found: Any) -> list[str]:
    return [ids_of(found).levels[code] for code in ids_of(found).values]


def joined(place: Workspace) -> list[Any]:
    return [inputs(place, "c.csv", production=name).sets[0] for name in ("p.csv", "q.csv")]


def promote(place: Workspace, *more: str) -> None:
    ended = place.tidegate("promote", "--forge", "none", *more)
    assert ended.code == 0, ended.err


def edit(place: Workspace, name: str, old: str, new: str) -> None:
    path = place.root / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def change_model(place: Workspace, rates: str = "{}") -> None:
    place.write(f"{MODEL}/rates.json", rates + "\n")
    place.commit("another model")


def golden_predictions(place: Workspace, value: float | None = None) -> None:
    """What the model in the working tree answers on the golden set, or the same answer everywhere, for later."""
    lines = (place.root / "data/golden.csv").read_text(encoding="utf-8").splitlines()
    if value is not None:
        place.write(
            "made.csv", "\n".join([lines[0] + ",p_late", *(f"{x},{value}" for x in lines[1:])]) + "\n"
        )
        return
    command = [sys.executable, "predict.py", "--model", MODEL, "--data", "shown.csv", "--output", "made.csv"]
    place.write("shown.csv", "\n".join(line.rpartition(",")[0] for line in lines) + "\n")
    subprocess.run(command, cwd=place.root, env=environment(), check=True)


@pytest.fixture
def repo(project: Workspace) -> Workspace:
    """A promoted model, another one in the working tree, and no word of what was predicted."""
    place = project
    (place.root / ".git/info/exclude").write_text("made.csv\nshown.csv\nruns.txt\n", encoding="utf-8")
    return place


def runs(place: Workspace) -> list[str]:
    """For each time that a model answered, whether it was production or the candidate."""
    path = place.root / "runs.txt"
    return path.read_text(encoding="utf-8").split() if path.exists() else []


def watch(place: Workspace) -> None:
    """Let the predict command say who runs: the candidate is the model without rates."""
    edit(
        place,
        "predict.py",
        "with (\n",
        'with open("runs.txt", "a", encoding="utf-8") as log:\n'
        '    print("production" if rates else "candidate", file=log)\n'
        "with (\n",
    )


class TestModels:
    def test_production_answers_first_and_both_are_told_apart(self, repo: Workspace) -> None:
        watch(repo)
        repo.commit("watch")
        promote(repo)
        at = repo.git("rev-parse", "HEAD^")
        change_model(repo)
        found = inputs(repo)

        assert [each.name for each in found.sets] == ["recent", "golden"]
        assert runs(repo) == ["production", "production", "candidate", "candidate"]
        recent, golden = found.sets
        assert golden.sha256 == identity(repo.root / "data/golden.csv", "late")
        assert recent.sha256 == identity(repo.root / "data/recent.csv", "late")
        digest = artifacts_digest(artifact_files(repo.root / MODEL).items())
        assert golden.digests == recent.digests == {"candidate": digest}
        baseline = found.baseline
        assert baseline is not None
        assert (baseline.version, baseline.commit, baseline.age_days) == (1, at, 0)
        golden_file = open_table(str(repo.root / "data/golden.csv")).sha256
        assert (baseline.source, baseline.golden_sha256) == ("predict", golden_file)
        assert baseline.notes == []
        assert [warning for warning in found.warnings if "could not be checked" in warning] == found.warnings
        assert len(found.warnings) == 2

    def test_production_itself_is_recognised(self, repo: Workspace) -> None:
        promote(repo)
        assert "is production version 1 itself" in inputs(repo).warnings[0]

    def test_without_a_production_version_it_is_said(self, repo: Workspace) -> None:
        with pytest.raises(ConfigError, match="no production version of 'late-delivery'"):
            inputs(repo)

    def test_stored_predictions_stand_for_a_run(self, repo: Workspace) -> None:
        watch(repo)
        edit(repo, ".github/tidegate.yml", "sets: [recent, golden]", "sets: [golden]")
        repo.commit("watch")
        promote(repo)
        golden_predictions(repo)
        change_model(repo, "{}")
        by_run = inputs(repo).sets[0].evaluation.production.score
        repo.git("revert", "--no-edit", "HEAD")
        (repo.root / MODEL / "registry.json").unlink()
        repo.git("tag", "--delete", "late-delivery/v1")
        repo.git("push", "-q", "origin", ":refs/tags/late-delivery/v1")
        repo.commit("forget")
        promote(repo, "--golden-predictions", "made.csv")
        change_model(repo, "{}")
        (repo.root / "runs.txt").unlink()
        found = inputs(repo)
        stored = found.sets[0].evaluation.production.score

        assert runs(repo) == ["candidate"]
        assert found.baseline is not None
        assert (found.baseline.source, found.baseline.notes) == ("registry", [])
        np.testing.assert_array_equal(by_run, stored)

    @pytest.mark.parametrize(
        ("spoil", "told"),
        [
            ("golden", "are of another golden set"),
            ("file", "does not hold the predictions that were stored with version 1"),
            ("gone", "do not serve"),
            ("column", "it lacks the column 'other'"),
        ],
    )
    def test_stored_predictions_that_do_not_serve_are_made_again(
        self, repo: Workspace, spoil: str, told: str
    ) -> None:
        edit(repo, ".github/tidegate.yml", "sets: [recent, golden]", "sets: [golden]")
        repo.commit("golden alone")
        golden_predictions(repo)
        promote(repo, "--golden-predictions", "made.csv")
        stored = repo.root / MODEL / "golden-predictions.parquet"
        if spoil == "golden":
            path = repo.root / "data/golden.csv"
            path.write_text("\n".join(path.read_text(encoding="utf-8").splitlines()[:-1]) + "\n", "utf-8")
        elif spoil == "file":
            table = open_table(str(stored))
            table.export(repo.root / "data/other.parquet", select="* REPLACE ('1' AS p_late)")
            stored.write_bytes((repo.root / "data/other.parquet").read_bytes())
        elif spoil == "gone":
            stored.unlink()
        else:
            edit(repo, ".github/tidegate.yml", "score: p_late", "score: other")
            edit(repo, "predict.py", '"p_late"', '"other"')
        change_model(repo)
        found = inputs(repo)

        assert found.baseline is not None
        assert found.baseline.source == "predict"
        (note,) = found.baseline.notes
        assert told in note
        assert note.endswith("production was run anew")
        assert found.sets[0].evaluation.production.score is not None
        assert len(set(found.sets[0].evaluation.production.score.tolist())) > 10

    def test_a_given_candidate_meets_stored_predictions_without_a_command(self, repo: Workspace) -> None:
        golden_predictions(repo, 0.5)
        promote(repo, "--golden-predictions", "made.csv")
        edit(
            repo, ".github/tidegate.yml", "    predict: python predict.py", "    # predict: python predict.py"
        )
        repo.commit("no command")
        found = inputs(repo, "made.csv")

        assert found.baseline is not None
        assert found.baseline.source == "registry"
        assert found.sets[0].name == "given"
        assert found.sets[0].sha256 == identity(repo.root / "data/golden.csv", "late")

    def test_an_old_version_is_said_to_be_old(self, repo: Workspace) -> None:
        promote(repo)
        at = (datetime.now(UTC) - timedelta(days=120, hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        registry = json.loads((repo.root / MODEL / "registry.json").read_text(encoding="utf-8"))
        registry["versions"][0]["promoted_at"] = at
        repo.write(f"{MODEL}/registry.json", json.dumps(registry))
        change_model(repo)
        baseline = inputs(repo).baseline

        assert baseline is not None
        assert baseline.age_days == 120
        assert baseline.notes == ["production version 1 was promoted 120 days ago"]

    @pytest.mark.parametrize("reachable", [True, False])
    def test_a_branch_that_was_cut_before_production_moved_on(self, repo: Workspace, reachable: bool) -> None:
        promote(repo)
        base = repo.git("rev-parse", "HEAD")
        repo.git("checkout", "-q", "-b", "topic")
        change_model(repo, '{"1 sun": 0.5}')
        repo.git("checkout", "-q", "main")
        change_model(repo)
        promote(repo)
        repo.git("checkout", "-q", "topic")
        if not reachable:
            repo.git("remote", "set-url", "origin", "nowhere")
            repo.git("update-ref", "-d", "refs/remotes/origin/main")
        event = {"pull_request": {"number": 1, "base": {"sha": base, "ref": "main"}}}
        repo.write("../event.json", json.dumps(event))
        found = inputs(repo, GITHUB_EVENT_PATH=str(repo.root / "../event.json"))

        assert found.baseline is not None
        assert found.baseline.version == 1
        told = "production moved on from version 1 to 2 after this branch was cut: update the branch"
        assert found.baseline.notes == ([told] if reachable else [])

    @pytest.mark.parametrize(
        ("spoil", "told"),
        [
            ("empty", "`recent:` of model 'late-delivery', data/recent.csv, has no rows"),
            ("same", "`recent:` and `golden:` of model 'late-delivery' hold the same rows"),
            ("sorted", "`recent:` and `golden:` of model 'late-delivery' hold the same rows"),
            ("gone", "`recent:` of model 'late-delivery', looked for from"),
        ],
    )
    def test_sets_that_are_none_are_refused_before_anything_runs(
        self, repo: Workspace, spoil: str, told: str
    ) -> None:
        watch(repo)
        repo.commit("watch")
        promote(repo)
        recent = repo.root / "data/recent.csv"
        header, *rows = (repo.root / "data/golden.csv").read_bytes().splitlines(keepends=True)
        content = {
            "empty": b"id,at,hour,weather,city,late\n",
            "same": (repo.root / "data/golden.csv").read_bytes(),
            "sorted": b"".join([header, *rows[::-1]]),
        }
        if spoil == "gone":
            recent.unlink()
        else:
            recent.write_bytes(content[spoil])
        with pytest.raises(DataError, match=told):
            inputs(repo)
        assert runs(repo) == []


def lineage(place: Workspace, end: str | None, training: str | None = None) -> None:
    """A lineage of the model in the working tree, trained until `end` on the rows of a table."""
    named = None
    if training is not None:
        print_of = fingerprint_of(open_table(str(place.root / training)), "id", ["hour"])
        (place.root / MODEL / "training-fingerprint.json").write_bytes(print_of.to_bytes())
        named = {"path": f"{MODEL}/training-fingerprint.json", "sha256": print_of.sha256}
    document = {
        "schema": "tidegate/lineage/1",
        "digest": artifacts_digest(artifact_files(place.root / MODEL).items()),
        "training": {"rows": 900, "end": end},
        "training_fingerprint": named,
    }
    place.write(f"{MODEL}/lineage.json", json.dumps(document))


class TestUnseen:
    def both(self, repo: Workspace, production: Any, candidate: Any) -> list[str]:
        """Warnings of a comparison of two models with such lineages."""
        lineage(repo, *production)
        repo.commit("lineage")
        promote(repo)
        repo.write(f"{MODEL}/rates.json", "{}\n")
        lineage(repo, *candidate)
        repo.commit("candidate")
        return inputs(repo).warnings

    def test_rows_later_than_both_and_in_neither_are_fine(self, repo: Workspace) -> None:
        assert self.both(repo, ("2026-01-31T23:59:59", "data/train.csv"), ("2026-01-31T00:00:00",)) == []

    @pytest.mark.parametrize("whose", ["production version 1", "the candidate"])
    def test_rows_without_a_time_are_said_and_not_taken_for_later(self, repo: Workspace, whose: str) -> None:
        times = [f"2026-02-01 00:0{i}:00" for i in range(3)]
        path = repo.root / "data/recent.csv"
        text = path.read_text(encoding="utf-8")
        for time in times:
            text = text.replace(f",{time},", ",,", 1)
        path.write_text(text, encoding="utf-8")
        dated, undated = ("2026-01-31T23:59:59", "data/train.csv"), (None, "data/train.csv")
        found = self.both(repo, *((dated, undated) if whose.startswith("production") else (undated, dated)))

        assert found == [
            f"3 of 400 recent rows have no time (`columns.timestamp: at`), which would tell whether {whose} was"
            " trained on them"
        ]

    def test_rows_within_the_last_second_of_training_are_not_later(self, repo: Workspace) -> None:
        edit(repo, "data/recent.csv", ",2026-02-01 00:00:00,", ",2026-01-31 23:59:59.999999,")
        with pytest.raises(DataError, match="1 of 400 recent rows are not later"):
            self.both(repo, ("2026-01-31T23:59:59",), ("2026-01-31T23:59:59",))

    @pytest.mark.parametrize(
        ("sets", "timestamp", "known", "said"),
        [
            (["recent", "golden"], "at", True, True),
            (["recent", "golden"], "at", False, False),
            (["recent", "golden"], None, True, False),
            (["golden"], "at", True, False),
        ],
    )
    def test_given_tables_are_said_to_be_unchecked(
        self, workspace: Workspace, sets: list[str], timestamp: str | None, known: bool, said: bool
    ) -> None:
        configure(workspace, {**ACCURACY, "sets": sets}, {**BINARY, "timestamp": timestamp})
        workspace.table("p.csv", answers(at="2026-01-01"))
        if known:
            workspace.write("models/m/lineage.json", "{}")
        warnings = inputs(workspace, "p.csv", production="p.csv").warnings

        assert any("was not checked" in warning for warning in warnings) == said

    def test_a_time_with_a_zone_is_compared_in_utc(self, repo: Workspace) -> None:
        assert self.both(repo, ("2026-01-31T23:00:00",), ("2026-02-01T01:59:59+02:00",)) == []

    @pytest.mark.parametrize("whose", ["production version 1", "the candidate"])
    def test_rows_that_are_not_later_are_refused(self, repo: Workspace, whose: str) -> None:
        good, bad = ("2026-01-31T23:59:59",), ("2026-02-01T00:09:00",)
        with pytest.raises(
            DataError, match=f"10 of 400 recent rows are not later than .* {whose} was trained"
        ):
            self.both(repo, *((bad, good) if whose.startswith("production") else (good, bad)))

    @pytest.mark.parametrize("whose", ["production version 1", "the candidate"])
    def test_rows_that_were_trained_on_are_refused(self, repo: Workspace, whose: str) -> None:
        good, bad = (None, "data/train.csv"), (None, "data/recent.csv")
        with pytest.raises(
            DataError, match=f"400 of 400 recent rows are .*'id'.* that {whose} was trained on"
        ):
            self.both(repo, *((bad, good) if whose.startswith("production") else (good, bad)))

    def test_a_lineage_of_another_model_has_no_say(self, repo: Workspace) -> None:
        lineage(repo, "2026-02-01T00:09:00")
        repo.commit("lineage")
        promote(repo)
        change_model(repo)
        with pytest.raises(DataError, match="production version 1"):
            inputs(repo)
        repo.write(f"{MODEL}/lineage.json", (repo.root / MODEL / "lineage.json").read_text("utf-8"))
        edit(repo, ".github/tidegate.yml", "timestamp: at", "kpi: [at]")
        assert [warning.split(" was trained")[0] for warning in inputs(repo).warnings] == [
            "whether the candidate",
            "whether production version 1",
        ]

    @pytest.mark.parametrize("raw", ["{", "[]", '{"training": 3}', '{"training": {"end": "soon"}}'])
    def test_a_malformed_lineage_is_refused(self, repo: Workspace, raw: str) -> None:
        promote(repo)
        repo.write(f"{MODEL}/lineage.json", raw)
        with pytest.raises(TidegateError, match=r"lineage.json is no lineage"):
            inputs(repo)


LATENCY = {
    "primary": {"metric": "accuracy", "require": "non_inferior", "margin": 0.5},
    "guardrails": [{"metric": "latency_p95", "margin": 5}],
}


LEFT_BEHIND = """\
left = Path(".git/left")
if not rates:
    left.touch()
elif left.exists():
    rates = dict.fromkeys(rates, 0.123)
"""
PREDICT = """\
import csv, sys
with open(sys.argv[2], "w", encoding="utf-8", newline="") as stream:
    writer = csv.writer(stream)
    writer.writerow(["id", "s", "ms"])
    writer.writerows([row["id"], 0.5, 9] for row in csv.DictReader(open(sys.argv[1], encoding="utf-8")))
"""


class TestLatency:
    @pytest.mark.parametrize("stored", [False, True])
    def test_both_models_answer_in_turns(self, repo: Workspace, stored: bool) -> None:
        watch(repo)
        # The candidate leaves something behind that changes what production answers.
        edit(repo, "predict.py", "with (\n", LEFT_BEHIND + "with (\n")
        edit(repo, "predict.py", '["id", "p_late"]', '["id", "p_late", "ms"]')
        edit(
            repo,
            "predict.py",
            "rates.get(f\"{row['hour']} {row['weather']}\", 0.5)]",
            "rates.get(f\"{row['hour']} {row['weather']}\", 0.5), 20 if rates else 10]",
        )
        edit(repo, ".github/tidegate.yml", "timestamp: at", "timestamp: at\n      latency: ms")
        edit(repo, ".github/tidegate.yml", "sets: [recent, golden]", "sets: [golden]")
        edit(repo, ".github/tidegate.yml", "{metric: log_loss, slices: [city],", "{metric: latency_p95,")
        repo.commit("watch")
        golden_predictions(repo, 0.5)
        promote(repo, *(["--golden-predictions", "made.csv"] if stored else []))
        change_model(repo)
        found = inputs(repo)

        turns = ["production", "candidate", "candidate", "production"] * 5
        # Answers that are stored need no run; their latency would be that of another day.
        assert runs(repo) == [*([] if stored else ["production"]), "candidate", *turns]
        assert found.baseline is not None
        assert found.baseline.source == ("registry" if stored else "predict")
        (only,) = found.sets
        assert only.evaluation.production.rows == 400
        assert set(np.ravel(only.evaluation.production.latency)) == {20.0}
        assert set(np.ravel(only.evaluation.candidates["candidate"].latency)) == {10.0}
        assert any("answering in turns on 10 parts" in warning for warning in found.warnings)
        assert only.evaluation.production.score is not None
        assert 0.123 not in only.evaluation.production.score
        assert (repo.root / ".git/left").exists()

    def test_two_machines_are_no_comparison_of_latency(self, workspace: Workspace) -> None:
        columns = {**BINARY, "latency": "ms"}
        predict = f"'{sys.executable}' predict.py {{data}} {{predictions}} {{model_dir}}"
        configure(workspace, LATENCY, columns, golden="g.csv", predict=predict, retrain={"artifacts": ["m"]})
        workspace.write("predict.py", PREDICT)
        workspace.write("m/model.txt", "m")
        workspace.table("g.csv", [{"id": row["id"], "y": row["y"]} for row in answers()])
        workspace.table("p.csv", answers(ms=3))
        found = inputs(workspace, production="p.csv")

        assert found.warnings == [
            "latency was measured here for one model and elsewhere for the other: a difference may be the machine's"
        ]
        assert found.sets[0].digests["candidate"] == artifacts_digest(
            artifact_files(workspace.root / "m").items()
        )
