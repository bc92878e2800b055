import sys
from pathlib import Path
from typing import Any

import pytest

from tidegate.config import Model
from tidegate.errors import ConfigError, DataError, RepositoryError, UserCommandError
from tidegate.tables import Table, open_table
from tidegate.training import TrainingRows, choose_rows, train


def model(holdout: object = None, **columns: Any) -> Model:
    retrain = {} if holdout is None else {"holdout": {"last": holdout}}
    return Model.model_validate({"columns": {"id": "id", "timestamp": "t", **columns}, "retrain": retrain})


def table(folder: Path, name: str, lines: list[str]) -> Table:
    path = folder / name
    path.write_text("\n".join(["id,t", *lines]) + "\n", encoding="utf-8")
    return open_table(str(path))


def days(folder: Path, count: int = 10) -> Table:
    """One row a day, newest first."""
    return table(folder, "data.csv", [f"{i},2026-01-{i:02} 12:00:00" for i in range(count, 0, -1)])


def ids(chosen: Table | None) -> list[int]:
    assert chosen is not None
    return sorted(
        int(line.split(",")[0]) for line in chosen.files[0].read_text(encoding="utf-8").splitlines()[1:]
    )


def choose(
    folder: Path, data: Table, holdout: object, golden: Table | None = None, **columns: Any
) -> TrainingRows:
    place = folder / "place"
    place.mkdir()
    return choose_rows(data, model(holdout, **columns), golden, place)


@pytest.mark.parametrize(
    ("holdout", "recent"),
    [
        ("20%", [9, 10]),
        (3, [8, 9, 10]),
        ("3", [8, 9, 10]),
        ("2d", [9, 10]),
        ("36h", [9, 10]),
        ("50%", [6, 7, 8, 9, 10]),
    ],
)
def test_the_newest_rows_are_held_out(tmp_path: Path, holdout: object, recent: list[int]) -> None:
    rows = choose(tmp_path, days(tmp_path), holdout)

    assert ids(rows.recent) == recent
    assert ids(rows.training) == [i for i in range(1, 11) if i not in recent]


def test_rows_of_one_moment_are_not_torn_apart(tmp_path: Path) -> None:
    data = table(tmp_path, "d.csv", [f"{i},2026-01-{1 + i // 5:02}" for i in range(10)])
    with pytest.raises(DataError, match="leaves no recent labelled rows"):
        choose(tmp_path, data, "30%")


def test_golden_rows_are_never_trained_on(tmp_path: Path) -> None:
    golden = table(tmp_path, "golden.csv", ["2,2026-01-02", "99,2026-01-02", ",2026-01-02"])
    rows = choose(tmp_path, days(tmp_path), "20%", golden)

    assert ids(rows.training) == [1, 3, 4, 5, 6, 7, 8]
    assert rows.golden_excluded == 1


def test_without_a_holdout_all_rows_are_trained_on(tmp_path: Path) -> None:
    rows = choose(tmp_path, days(tmp_path), None)

    assert ids(rows.training) == list(range(1, 11))
    assert rows.recent is None


@pytest.mark.parametrize(
    ("holdout", "columns", "error", "told"),
    [
        ("20%", {"timestamp": None}, ConfigError, "needs `columns.timestamp:`"),
        ("20%", {"timestamp": "when"}, DataError, "has no column 'when'"),
        ("1s", {}, None, ""),
        (10, {}, DataError, "leaves no training rows"),
        ("90d", {}, DataError, "leaves no training rows"),
    ],
)
def test_a_holdout_that_cannot_be(
    tmp_path: Path, holdout: object, columns: dict[str, Any], error: type[Exception] | None, told: str
) -> None:
    if error is None:
        assert ids(choose(tmp_path, days(tmp_path), holdout, **columns).recent) == [10]
        return
    with pytest.raises(error, match=told):
        choose(tmp_path, days(tmp_path), holdout, **columns)


@pytest.mark.parametrize("value", ["yesterday", ""])
def test_times_that_are_none_are_refused(tmp_path: Path, value: str) -> None:
    with pytest.raises(DataError, match=r"yesterday|holds no time"):
        choose(tmp_path, table(tmp_path, "d.csv", [f"1,{value}"]), "20%")


def run_train(folder: Path, code: str) -> dict[str, Path]:
    (folder / "train.py").write_text(
        f"import sys, pathlib\nout = pathlib.Path(sys.argv[2])\n{code}\n", encoding="utf-8"
    )
    command = f"'{sys.executable}' train.py {{data}} {{model_dir}}"
    trained = Model.model_validate({"retrain": {"train": command}})
    return train(trained, days(folder), folder / "out", folder, print)


def test_the_files_that_training_wrote(tmp_path: Path) -> None:
    files = run_train(
        tmp_path, "(out / 'sub').mkdir()\n(out / 'sub' / 'm').write_text(open(sys.argv[1]).readline())"
    )

    assert {name: path.read_text(encoding="utf-8") for name, path in files.items()} == {"sub/m": "id,t\n"}


@pytest.mark.parametrize(
    ("code", "error", "told"),
    [
        ("", UserCommandError, "wrote nothing"),
        ("(out / 'empty').mkdir()", UserCommandError, "wrote nothing"),
        (
            "(out / 'm').write_text('')\n(out / 'lineage.json').write_text('')",
            UserCommandError,
            "keeps for itself",
        ),
        ("(out / 'm').symlink_to('/etc/hostname')", RepositoryError, "contains a link"),
    ],
)
def test_a_model_that_cannot_be_kept(tmp_path: Path, code: str, error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        run_train(tmp_path, code)


def test_without_a_command_there_is_no_training(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"`retrain.train:` is missing"):
        train(model(), days(tmp_path), tmp_path / "out", tmp_path, print)


def test_golden_rows_that_are_all_there_is_leave_nothing_to_train_on(tmp_path: Path) -> None:
    golden = table(tmp_path, "golden.csv", [f"{i},2026-01-02" for i in range(1, 11)])
    with pytest.raises(DataError, match=r"leaves no training rows.*10 rows are in the golden set"):
        choose(tmp_path, days(tmp_path), None, golden)


def test_rows_without_a_label_are_not_judged_on(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    lines = [f"{i},2026-01-{i:02},{'' if i == 10 else 1}" for i in range(1, 11)]
    path.write_text("\n".join(["id,t,y", *lines]) + "\n", encoding="utf-8")
    rows = choose(tmp_path, open_table(str(path)), "30%", label="y")

    assert ids(rows.recent) == [8, 9]
