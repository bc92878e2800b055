import sys
from pathlib import Path
from typing import Any

import pytest

from tidegate.config import Model
from tidegate.errors import ConfigError, DataError, RepositoryError, UserCommandError
from tidegate.scoring import Answered, Scorer, rounds
from tidegate.tables import Table, open_table

PREDICT = f"'{sys.executable}' predict.py {{data}} {{predictions}} {{model_dir}}"
ROWS = "id,x,y,s,ms,day\n3,0.3,1,9,9,2026-01-01\n1,0.1,0,9,9,2026-01-02\n2,0.2,1,9,9,2026-01-03\n"
ANSWER = """\
import csv, sys
rows = list(csv.DictReader(open(sys.argv[1], encoding="utf-8")))
print("columns", *rows[0])
with open(sys.argv[2], "w", encoding="utf-8", newline="") as stream:
    writer = csv.writer(stream)
    writer.writerow(["id", "s", "y"])
    for row in sorted(rows, key=lambda row: row["id"]):
        writer.writerow([row["id"], row["x"], 1])
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "m.txt").write_text("weights", encoding="utf-8")
    (tmp_path / "predict.py").write_text(ANSWER, encoding="utf-8")
    (tmp_path / "rows.csv").write_text(ROWS, encoding="utf-8")
    return tmp_path


def scorer(place: Path, lines: list[str] | None = None, **changes: Any) -> Scorer:
    columns = {"id": "id", "label": "y", "score": "s", "latency": "ms", "timestamp": "day"}
    model = Model.model_validate({"task": "binary", "columns": columns, "predict": PREDICT, **changes})
    return Scorer(model, place, place / "kept", (lines if lines is not None else []).append)


def score(place: Path, lines: list[str] | None = None, **changes: Any) -> Table:
    return scorer(place, lines, **changes).table(
        place / "model", open_table(str(place / "rows.csv")), "the model"
    )


def test_rows_get_their_predictions_and_keep_their_own_label_and_order(place: Path) -> None:
    lines: list[str] = []
    table = score(place, lines)

    # Neither label nor old predictions are shown; an answer's label is ignored.
    assert lines == ["columns id x day"]
    assert table.files[0].read_text(encoding="utf-8").splitlines() == [
        *(
            "id,x,y,ms,day,s",
            "3,0.3,1,9,2026-01-01,0.3",
            "1,0.1,0,9,2026-01-02,0.1",
            "2,0.2,1,9,2026-01-03,0.2",
        ),
    ]


def test_the_same_model_and_rows_are_predicted_once(place: Path) -> None:
    lines: list[str] = []
    first = score(place, lines)
    assert score(place, lines).files == first.files
    assert len(lines) == 1

    (place / "model" / "m.txt").write_text("other weights", encoding="utf-8")
    assert score(place, lines).files != first.files
    assert len(lines) == 2


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("", "does not exist"),
        ("raise SystemExit(3)", "ended with exit code 3"),
        ("open(sys.argv[2], 'w').write('')", "is empty"),
        ("open(sys.argv[2], 'w').write('id,s\\n')", "answer each of the 3 rows once, but has 0 rows"),
        ("open(sys.argv[2], 'w').write('id,s\\n1,0.1\\n2,0.1\\n')", "has 2 rows, of which 2 match"),
        ("open(sys.argv[2], 'w').write('id,s\\n1,0.1\\n2,0.1\\n4,0.1\\n')", "has 3 rows, of which 2 match"),
        ("open(sys.argv[2], 'w').write('id,s\\n1,0\\n2,0\\n3,0\\n3,0\\n')", "the id 3 stands in it 2 times"),
        ("open(sys.argv[2], 'w').write('id,z\\n1,0\\n2,0\\n3,0\\n')", "none of the columns"),
        ("open(sys.argv[2], 'w').write('s\\n1\\n2\\n3\\n')", "has no column 'id'"),
    ],
)
def test_an_answer_that_does_not_match_the_rows_is_a_failure(place: Path, code: str, told: str) -> None:
    (place / "predict.py").write_text(f"import sys\n{code}\n", encoding="utf-8")
    with pytest.raises(UserCommandError, match=told):
        score(place)

    assert not (place / "kept").exists()


@pytest.mark.parametrize("key", ["predict", "id"])
def test_what_the_config_lacks_is_asked_for(place: Path, key: str) -> None:
    changes: dict[str, Any] = {"predict": None} if key == "predict" else {"columns": {"score": "s"}}
    with pytest.raises(ConfigError, match=f"{key}:` is missing"):
        score(place, **changes)


def test_rows_with_repeated_ids_are_refused(place: Path) -> None:
    (place / "rows.csv").write_text(ROWS + "3,0.3,1,9,9,2026-01-04\n", encoding="utf-8")
    with pytest.raises(DataError, match="id must be unique, but 3 stands in 2 rows"):
        score(place)


def test_without_a_model_nothing_runs(place: Path) -> None:
    (place / "model" / "m.txt").unlink()
    with pytest.raises(UserCommandError, match="missing or empty"):
        score(place)


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_model_with_a_link_is_refused(place: Path) -> None:
    (place / "model" / "link").symlink_to(place / "rows.csv")
    with pytest.raises(RepositoryError, match="link"):
        score(place)


def test_only_answers_and_the_label_are_kept_from_the_command(place: Path) -> None:
    (place / "rows.csv").write_text("id,x,y,s,e,c,q,w,group,kpi\n1,1,1,1,0,1,2,3,4,5\n", encoding="utf-8")
    named = {"error": "e", "cost": "c", "query": "q", "weight": "w", "cluster": "group", "kpi": ["kpi"]}
    lines: list[str] = []
    score(place, lines, columns={"id": "id", "label": "y", "score": "s", **named})

    assert lines == ["columns id x q w group kpi"]


@pytest.mark.parametrize(
    ("rows", "parts"),
    [(1, 1), (39, 1), (40, 2), (79, 2), (80, 4), (199, 8), (200, 10), (10**6, 10)],
)
def test_two_models_are_first_equally_often(rows: int, parts: int) -> None:
    assert rounds(rows) == parts


TURNS = """\
import csv, sys
rows = list(csv.DictReader(open(sys.argv[1], encoding="utf-8")))
who = open(sys.argv[3] + "/m.txt", encoding="utf-8").read()
print(who, len(rows), *sorted(rows[0]))
with open(sys.argv[2], "w", encoding="utf-8", newline="") as stream:
    writer = csv.writer(stream)
    writer.writerow(["id", "s", "ms"])
    writer.writerows([row["id"], 0.5, len(who) * 100 + int(row["id"])] for row in rows)
"""


@pytest.fixture
def rivals(place: Path) -> tuple[Answered, Answered, Table]:
    """Two models with answers that they gave before, on 90 rows."""
    rows = "".join(f"{i},0.5,{i % 2}\n" for i in range(90))
    (place / "rows.csv").write_text("id,x,y\n" + rows, encoding="utf-8")
    (place / "before.csv").write_text(
        "id,y,s,ms\n" + "".join(f"{i},{i % 2},0.25,7\n" for i in range(90)), encoding="utf-8"
    )
    (place / "predict.py").write_text(TURNS, encoding="utf-8")
    for name in ("ours", "theirs!"):
        (place / name).mkdir()
        (place / name / "m.txt").write_text(name, encoding="utf-8")
    before = open_table(str(place / "before.csv"))
    return (
        Answered(place / "theirs!", before, before.sha256, "production"),
        Answered(place / "ours", before, before.sha256, "the candidate"),
        open_table(str(place / "rows.csv")),
    )


def numbers(table: Table, column: str) -> list[float]:
    return [float(value) for value in table.read([(column, "number")])[column, "number"].values]


def test_models_in_turns_have_their_latencies_and_keep_their_answers(
    place: Path, rivals: tuple[Answered, Answered, Table]
) -> None:
    lines: list[str] = []
    columns = {"id": "id", "label": "y", "score": "s", "latency": "ms", "production_latency": "theirs"}
    production, candidate = scorer(place, lines, columns=columns).in_turns(*rivals)

    assert [line.split()[0] for line in lines] == ["theirs!", "ours", "ours", "theirs!"] * 2
    assert [int(line.split()[1]) for line in lines[::2]] == [22, 23, 22, 23]
    assert {line.partition("id")[2] for line in lines} == {" x"}
    assert numbers(production, "ms") == numbers(candidate, "theirs") == [700 + i for i in range(90)]
    assert numbers(production, "theirs") == numbers(production, "ms")
    assert numbers(candidate, "ms") == [400 + i for i in range(90)]
    assert set(numbers(production, "s") + numbers(candidate, "s")) == {0.25}
    assert [path.name for path in place.iterdir() if path.name.startswith("tidegate")] == []


def test_a_command_that_tells_no_latency_leaves_the_answers_as_they_were(
    place: Path, rivals: tuple[Answered, Answered, Table]
) -> None:
    (place / "predict.py").write_text(TURNS.replace('"ms"', '"other"'), encoding="utf-8")
    production, candidate = scorer(place).in_turns(*rivals)
    assert (production, candidate) == (rivals[0].table, rivals[1].table)


def test_a_command_that_fails_in_turns_says_where(
    place: Path, rivals: tuple[Answered, Answered, Table]
) -> None:
    (place / "predict.py").write_text(TURNS.replace("in rows)", "in rows[1:])"), encoding="utf-8")
    with pytest.raises(
        UserCommandError, match=r"for production, part 1 of 4 gave .* answer each of the 22 rows"
    ):
        scorer(place).in_turns(*rivals)


def test_a_command_that_changes_the_rows_it_is_judged_on_is_a_failure(place: Path) -> None:
    (place / "predict.py").write_text(
        ANSWER + "open('rows.csv', 'a').write('4,0.4,1,9,9,2026-01-04\\n')\n", encoding="utf-8"
    )
    with pytest.raises(UserCommandError, match=r"rows.csv changed while the predict command ran"):
        score(place)

    assert not (place / "kept").exists()


@pytest.mark.parametrize("spoilt", ["before.csv", "rows.csv", "production's part"])
def test_models_in_turns_leave_what_was_answered_alone(
    place: Path, rivals: tuple[Answered, Answered, Table], spoilt: str
) -> None:
    spoil = f"open({spoilt!r}, 'a').write('90,0,0' + ',0' * ({spoilt!r} == 'before.csv') + '\\n')"
    if spoilt == "production's part":
        spoil = "[open(p, 'w').write(open(p).read().replace(',7', ',9')) for p in old]"
    (place / "predict.py").write_text(
        "import glob, os.path\n"
        + TURNS
        + "old = glob.glob(os.path.dirname(sys.argv[2]) + '/model-0-data-*')\n"
        + f"if who == 'ours' and old:\n    {spoil}\n",
        encoding="utf-8",
    )
    with pytest.raises(UserCommandError, match="changed while the predict command ran"):
        scorer(place).in_turns(*rivals)
