"""The drift report on two files of 1,000,000 × 50, Parquet to JSON and HTML, beside Evidently, NannyML and the floor.

The floor reads both files with DuckDB, sorts every number and counts every level: exact KS and shares, no report. Whole
processes, which take turns. Prints ratios within one run: median time and CPU time, and peak memory.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import duckdb
from drift_peers import EVIDENTLY, HERE, NANNYML, QUIET

NUMERIC, CATEGORICAL, LEVELS = 40, 10, 20
CONFIG = "version: 1\nmodels:\n  m:\n    task: binary\n    drift: {false_alarm_rate: 0.01}\n"
FLOOR = """
import json, sys
import duckdb
import numpy as np

found = {}
kinds = duckdb.execute("DESCRIBE SELECT * FROM read_parquet(?)", [sys.argv[1]]).fetchall()
for name, kind, *_ in kinds:
    if kind == "VARCHAR":
        query = f'SELECT "{name}", count(*) FROM read_parquet(?) GROUP BY 1'
        then, now = (dict(duckdb.execute(query, [path]).fetchall()) for path in sys.argv[1:3])
        of_then, of_now = (sum(each.values()) for each in (then, now))
        shares = [then.get(v, 0) / of_then - now.get(v, 0) / of_now for v in {**then, **now}]
        found[name] = sum(map(abs, shares)) / 2
    else:
        query = f'SELECT "{name}" FROM read_parquet(?)'
        a, b = (np.sort(duckdb.execute(query, [path]).fetchnumpy()[name]) for path in sys.argv[1:3])
        upto = [np.searchsorted(each, side, "right") / len(each) for each in (a, b) for side in (a, b)]
        found[name] = float(max(abs(upto[0] - upto[2]).max(), abs(upto[1] - upto[3]).max()))
json.dump(found, open(f"{sys.argv[3]}/report.json", "w"))
"""


@dataclass(frozen=True)
class Cost:
    """Of a whole process: seconds, processor seconds of all its threads, peak MiB, and MiB of what it wrote."""

    seconds: float
    processor: float
    memory: float
    written: float


@dataclass(frozen=True)
class Entry:
    """A process to measure, and where it writes."""

    name: str
    command: tuple[str, ...]
    folder: Path
    rounds: int


def make(folder: Path, rows: int) -> None:
    """Two files of one law: numbers of three kinds, every eighth with gaps, and levels of uneven shares."""
    laws = ("g", "exp(g)", "floor(3 * exp(0.7 * g))")
    numbers = [
        f"{laws[j % 3].replace('g', f'sqrt(-2 * ln(1 - random())) * cos({j} + 2 * pi() * random())')} AS x{j}"
        for j in range(NUMERIC)
    ]
    numbers = [
        each if j % 8 else each.replace(" AS ", " * CASE WHEN random() < 0.03 THEN NULL ELSE 1 END AS ")
        for j, each in enumerate(numbers)
    ]
    levels = [f"'level ' || floor({LEVELS} * random() ** 2)::INT AS c{j}" for j in range(CATEGORICAL)]
    duckdb.execute("SELECT setseed(0.5)")
    for name in ("reference", "current"):
        query = f"SELECT {', '.join([*numbers, *levels])} FROM range({rows})"
        duckdb.execute(f"COPY ({query}) TO '{(folder / name).as_posix()}.parquet'")


def measured(entry: Entry) -> Cost:
    """Run it in a process of its own."""
    started = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            entry.command,
            cwd=entry.folder,
            stdout=said,
            stderr=said,
            # As users run it: with as many threads as it likes.
            env={k: v for k, v in {**os.environ, **QUIET}.items() if k != "OMP_NUM_THREADS"}
            | {"PYTHONPATH": str(HERE)},
        )
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        if os.waitstatus_to_exitcode(status) != 0:
            said.seek(0)
            raise SystemExit(f"{entry.name} failed:\n{said.read().decode(errors='replace')[-2_000:]}")
    written = sum(file.stat().st_size for file in entry.folder.rglob("*") if file.is_file())
    return Cost(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, written / 2**20)


def entries(place: Path, asked: argparse.Namespace) -> list[Entry]:
    """What is measured, ours first; each writes into a folder of its own."""
    files = [str(place / f"{name}.parquet") for name in ("reference", "current")]
    config = place / "tidegate.yml"
    config.write_text(CONFIG, encoding="utf-8")
    floor = place / "floor.py"
    floor.write_text(FLOOR, encoding="utf-8")
    ours = (sys.executable, "-m", "tidegate", "drift-report", "--config", str(config), "--forge", "none")
    made = [
        ("`tidegate drift-report`", (*ours, "--reference", files[0], "--current", files[1]), asked.rounds),
        ("DuckDB reads, numpy sorts", (sys.executable, str(floor), *files, "."), asked.rounds),
    ]
    for tool in (EVIDENTLY, NANNYML):
        if tool.name not in asked.without:
            script = f"import sys, {tool.module}\n{tool.module}.write_report(*sys.argv[1:])"
            made.append((tool.name, (tool.python(), "-c", script, *files, "."), asked.peer_rounds))
    listed = []
    for i, (name, command, rounds) in enumerate(made):
        folder = place / f"out{i}"
        folder.mkdir()
        listed.append(Entry(name, command, folder, rounds))
    return listed


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--peer-rounds", type=int, default=1, help="of Evidently and NannyML, which take minutes"
    )
    parser.add_argument("--without", nargs="*", default=[], metavar="TOOL", help="Evidently or NannyML")
    parser.add_argument("--quick", action="store_true", help="20,000 rows, once")
    asked = parser.parse_args()
    if asked.quick:
        asked.rows, asked.rounds = [20_000], 1
    for rows in asked.rows:
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            make(place, rows)
            costs: dict[Entry, list[Cost]] = {entry: [] for entry in entries(place, asked)}
            for turn in range(max(asked.rounds, asked.peer_rounds)):
                for entry, found in costs.items():
                    if turn < entry.rounds:
                        found.append(measured(entry))
                        print(f"{rows:,} rows, round {turn + 1}: {entry.name}", file=sys.stderr, flush=True)
            report = json.loads((place / "out0/tidegate-out/drift-report.json").read_text(encoding="utf-8"))
            assert len(report["features"]) == NUMERIC + CATEGORICAL
        print_table(rows, costs)


def print_table(rows: int, costs: dict[Entry, list[Cost]]) -> None:
    """One table, with everything relative to ours."""
    shown = {
        entry: Cost(
            statistics.median(each.seconds for each in found),
            statistics.median(each.processor for each in found),
            max(each.memory for each in found),
            found[-1].written,
        )
        for entry, found in costs.items()
    }
    ours = next(iter(shown.values()))
    print(f"\n{rows:,} × {NUMERIC + CATEGORICAL}, twice; median of {max(map(len, costs.values()))} rounds.\n")
    head = "rounds | seconds | CPU seconds | peak MiB | MiB written | Tidegate's time | its CPU time | its memory"
    print(f"| whole process | {head} |")
    print(f"| --- |{' ---: |' * 8}")
    for entry, cost in shown.items():
        ratios = " | | " if cost is ours else f"{ours.seconds / cost.seconds:.3g} × | "
        if cost is not ours:
            ratios += f"{ours.processor / cost.processor:.3g} × | {ours.memory / cost.memory:.2f} ×"
        figures = f"{cost.seconds:,.1f} | {cost.processor:,.1f} | {cost.memory:,.0f} | {cost.written:,.1f}"
        print(f"| {entry.name} | {len(costs[entry])} | {figures} | {ratios} |")


if __name__ == "__main__":
    main()
