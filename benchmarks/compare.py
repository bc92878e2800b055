"""`compare-to-prod` on 1,000,000 rows, 5 metrics and 20 slices, beside two bootstraps and the mere join of both files.

All are whole processes on the same Parquet files. The bootstraps, `scipy.stats.bootstrap` of pairs and one in numpy
that keeps whatever can be kept from resample to resample, would take an hour and more for 10,000 resamples. Each is
run twice with a few, and the time of one resample, which is the same for all, is extrapolated. Their differences are
compared with Tidegate's.
"""

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

ROWS, FEW_ROWS, SLICES, RESAMPLES, ROUNDS = 1_000_000, 2_000, 20, 10_000, 3
METRICS = ("accuracy", "f1", "roc_auc", "log_loss", "brier_score")
JOIN = """
import sys
import duckdb

found = duckdb.execute(
    "SELECT a.y, a.p AS pa, b.p AS pb, a.region FROM read_parquet(?) a JOIN read_parquet(?) b USING (id)",
    ["candidate.parquet", "production.parquet"],
).fetchnumpy()
"""
READ = (
    JOIN
    + """
import json
import numpy as np

resamples, rng = int(sys.argv[1]), np.random.default_rng(0)
names, part = np.unique(found["region"].astype(str), return_inverse=True)
y, pa, pb = (np.asarray(found[each]) for each in ("y", "pa", "pb"))
"""
)
SCIPY = (
    READ
    + """
from scipy import stats

def area(y, p):
    order = np.argsort(p, axis=-1)
    positive = np.take_along_axis(y, order, axis=-1)
    below = np.cumsum(1 - positive, axis=-1)
    pairs = positive.sum(axis=-1) * (1 - positive).sum(axis=-1)
    return (positive * below).sum(axis=-1) / pairs

def f1(y, p):
    said = p >= 0.5
    return 2 * (said & (y == 1)).sum(axis=-1) / (said.sum(axis=-1) + (y == 1).sum(axis=-1))

metrics = {
    "accuracy": lambda y, p: ((p >= 0.5) == y).mean(axis=-1),
    "f1": f1,
    "roc_auc": area,
    "log_loss": lambda y, p: -np.log(np.where(y == 1, p, 1 - p)).mean(axis=-1),
    "brier_score": lambda y, p: ((p - y) ** 2).mean(axis=-1),
}
deltas = {}
for name, of in metrics.items():
    for g, region in enumerate(names):
        rows = part == g
        sample = y[rows], pa[rows], pb[rows]
        statistic = lambda y, a, b, axis=-1: of(y, a) - of(y, b)
        stats.bootstrap(sample, statistic, paired=True, vectorized=True, n_resamples=resamples,
                        method="percentile", batch=10, rng=rng)
        deltas[name + " " + region] = float(statistic(*sample))
json.dump(deltas, open("peer.json", "w"))
"""
)
NUMPY = (
    READ
    + """
groups = len(names)
by_row = {
    "accuracy": (((pa >= 0.5) == y) * 1.0 - ((pb >= 0.5) == y),),
    "log_loss": (np.log(np.where(y == 1, pb, 1 - pb)) - np.log(np.where(y == 1, pa, 1 - pa)),),
    "brier_score": ((pa - y) ** 2 - (pb - y) ** 2,),
}
hits = [((p >= 0.5) & (y == 1)) * 2.0 for p in (pa, pb)]
sizes = [(p >= 0.5) * 1.0 + (y == 1) for p in (pa, pb)]
orders = [np.lexsort((p, part)) for p in (pa, pb)]
bounds = np.searchsorted(part[orders[0]], np.arange(groups))

def total(values, weights):
    return np.bincount(part, values * weights, groups)

def area(order, weights):
    w, label = weights[order], y[order]
    positive = w * label
    negative = w - positive
    below = np.cumsum(negative)
    before = (below - negative)[bounds]
    inside = np.add.reduceat(positive * (below - negative), bounds) - before * np.add.reduceat(positive, bounds)
    return inside / np.add.reduceat(positive, bounds) / np.add.reduceat(negative, bounds)

def differences(weights):
    n = np.bincount(part, weights, groups)
    found = {name: total(values[0], weights) / n for name, values in by_row.items()}
    first, second = (total(h, weights) / total(s, weights) for h, s in zip(hits, sizes))
    found["f1"] = first - second
    found["roc_auc"] = area(orders[0], weights) - area(orders[1], weights)
    return found

drawn = [differences(np.bincount(rng.integers(0, len(y), len(y)), minlength=len(y)) * 1.0) for _ in range(resamples)]
intervals = {name: np.quantile([each[name] for each in drawn], [0.025, 0.975], axis=0) for name in drawn[0]}
found = differences(np.ones(len(y)))
json.dump({name + " " + region: float(found[name][g]) for name in found for g, region in enumerate(names)},
          open("peer.json", "w"))
"""
)


@dataclass(frozen=True)
class Cost:
    """Seconds and peak MiB of a whole process."""

    seconds: float
    memory: float


def config() -> str:
    """Five metrics in twenty slices."""
    guardrails = "\n".join(
        f"        - {{metric: {name}, slices: [region], margin: 0.05}}" for name in METRICS
    )
    return (
        "version: 1\nmodels:\n  m:\n    task: binary\n    columns: {id: id, label: y, score: p}\n    compare:\n"
        f"      primary: {{metric: roc_auc, require: superior}}\n      guardrails:\n{guardrails}\n"
    )


def make(folder: str, rows: int) -> None:
    """Two files of the same rows, in different orders, and the config."""
    Path(folder, "tidegate.yml").write_text(config(), encoding="utf-8")
    duckdb.execute("SELECT setseed(0.5)")
    duckdb.execute(
        "CREATE OR REPLACE TABLE truth AS"
        " SELECT i AS id, p, (random() < p)::INT AS y, 'region ' || (i * 7919 % ?) AS region"
        " FROM (SELECT i, 0.12 + 0.76 * random() AS p FROM range(?) t(i))",
        [SLICES, rows],
    )
    for name, noise, order in (("candidate", 0.1, "id"), ("production", 0.2, "hash(id)")):
        score = f"p + {noise} * (random() - 0.5)"
        duckdb.execute(
            f"COPY (SELECT id, y, {score} AS p, region FROM truth ORDER BY {order}) TO '{folder}/{name}.parquet'"
        )


def measured(folder: str, *command: str) -> Cost:
    """Run a command in a process of its own."""
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    if os.waitstatus_to_exitcode(status) not in (0, 1):
        raise SystemExit(f"{' '.join(command)} failed")
    return Cost(seconds, used.ru_maxrss / 1024)


def bootstrap(folder: str, script: str, few: int, more: int) -> Cost:
    """What all resamples would cost, from two runs with some of them."""
    runs = [measured(folder, sys.executable, "-I", script, str(count)) for count in (few, more)]
    each = (runs[1].seconds - runs[0].seconds) / (more - few)
    return Cost(runs[0].seconds + each * (RESAMPLES - few), max(run.memory for run in runs))


def apart(folder: str) -> float:
    """Largest difference between the peer's differences and Tidegate's."""
    report = json.loads(Path(folder, "tidegate-out/compare-to-prod.json").read_text(encoding="utf-8"))
    peer = json.loads(Path(folder, "peer.json").read_text(encoding="utf-8"))
    ours = {
        f"{each['metric']} {each['slice']['region']}": abs(each["candidate_value"] - each["production_value"])
        for each in report["comparisons"]
        if each["slice"]
    }
    assert ours.keys() == peer.keys()
    return max(abs(ours[name] - abs(peer[name])) for name in peer)


def main() -> None:
    """Measure, compare the numbers, and print."""
    with tempfile.TemporaryDirectory() as folder:
        few = Path(folder, "few")
        few.mkdir()
        make(folder, ROWS)
        make(str(few), FEW_ROWS)
        for name, script in (("join", JOIN), ("scipy", SCIPY), ("numpy", NUMPY)):
            Path(folder, f"peer_{name}.py").write_text(script, encoding="utf-8")
        ours_command = (sys.executable, "-I", "-m", "tidegate", "compare-to-prod", "--config", "tidegate.yml")
        ours_command += ("--candidate", "candidate.parquet", "--production", "production.parquet")
        ours_command += ("--forge", "none", "--fail-on", "never")
        rounds = [
            (
                measured(folder, *ours_command),
                measured(str(few), *ours_command),
                measured(folder, sys.executable, "-I", "peer_join.py"),
            )
            for _ in range(ROUNDS)
        ]
        ours, fixed, join = (
            Cost(
                statistics.median(each[i].seconds for each in rounds), max(each[i].memory for each in rounds)
            )
            for i in range(3)
        )
        in_numpy = bootstrap(folder, "peer_numpy.py", 5, 65)
        difference = apart(folder)
        in_scipy = bootstrap(folder, "peer_scipy.py", 10, 60)
        difference = max(difference, apart(folder))
    print(
        f"{ROWS:,} rows, {SLICES} slices, {len(METRICS)} metrics, {RESAMPLES:,} resamples; largest difference of a"
        f" delta: {difference:.1e}\n"
    )
    print("| whole process | seconds | peak MiB | Tidegate's time | its memory |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name, cost in (
        ("`tidegate compare-to-prod`, reports included", ours),
        (f"the same with {FEW_ROWS:,} rows: what does not grow with them", fixed),
        ("DuckDB reads and joins both files into numpy", join),
        ("row bootstrap in numpy, extrapolated", in_numpy),
        ("`scipy.stats.bootstrap(paired=True)`, extrapolated", in_scipy),
    ):
        ratio = f"{ours.seconds / cost.seconds:.3g} × | {ours.memory / cost.memory:.2f} ×"
        print(f"| {name} | {cost.seconds:,.1f} | {cost.memory:,.0f} | {' | ' if cost is ours else ratio} |")


if __name__ == "__main__":
    main()
