"""The gate on 1,000,000 rows, 20 slices and 15 checks, beside scikit-learn in fairlearn's MetricFrame.

Both start as whole processes, read the same Parquet file and end with the same numbers, which are compared. Prints
ratios within one run: median time over the rounds, which alternate, and peak memory.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

ROWS, SLICES, ROUNDS = 1_000_000, 20, 3
METRICS = (
    "accuracy",
    "balanced_accuracy",
    "precision",
    "recall",
    "f1",
    "specificity",
    "false_positive_rate",
    "matthews_corrcoef",
    "cohen_kappa",
    "roc_auc",
    "average_precision",
    "log_loss",
    "brier_score",
    "selection_rate",
    "expected_calibration_error",
)
CAPPED = {"log_loss", "brier_score", "false_positive_rate", "expected_calibration_error", "selection_rate"}
PEER = """
import json, sys
import duckdb
import numpy as np
from fairlearn import metrics as fair
from sklearn import metrics as sk

table = duckdb.execute("SELECT y, p, region FROM read_parquet(?)", [sys.argv[1]]).df()
y, p = table["y"].to_numpy(), table["p"].to_numpy()
answer = (p >= 0.5).astype(int)

def calibration_error(y, p):
    index = np.clip(np.ceil(p * 15).astype(int) - 1, 0, 14)
    rows = np.bincount(index, minlength=15)
    return np.abs(np.bincount(index, y, 15) - np.bincount(index, p, 15)).sum() / rows.sum()

of_answers = {
    "accuracy": sk.accuracy_score,
    "balanced_accuracy": sk.balanced_accuracy_score,
    "precision": sk.precision_score,
    "recall": sk.recall_score,
    "f1": sk.f1_score,
    "specificity": fair.true_negative_rate,
    "false_positive_rate": fair.false_positive_rate,
    "matthews_corrcoef": sk.matthews_corrcoef,
    "cohen_kappa": sk.cohen_kappa_score,
    "selection_rate": fair.selection_rate,
}
of_scores = {
    "roc_auc": sk.roc_auc_score,
    "average_precision": sk.average_precision_score,
    "log_loss": sk.log_loss,
    "brier_score": sk.brier_score_loss,
    "expected_calibration_error": calibration_error,
}
found = {}
for functions, said in ((of_answers, answer), (of_scores, p)):
    frame = fair.MetricFrame(metrics=functions, y_true=y, y_pred=said, sensitive_features=table["region"])
    for name in functions:
        found[name] = frame.by_group[name].to_dict()
json.dump(found, open(sys.argv[2], "w"))
"""


def config() -> str:
    checks = "\n".join(
        f"      - {{metric: {name}, {'max: 2' if name in CAPPED else 'min: -1'}, slices: [region]}}"
        for name in METRICS
    )
    columns = "{id: id, label: y, score: p}"
    return f"version: 1\nmodels:\n  m:\n    task: binary\n    columns: {columns}\n    gate:\n{checks}\n"


def measured(*command: str, folder: str) -> tuple[float, float]:
    """Seconds and peak MiB of a process of its own."""
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    if os.waitstatus_to_exitcode(status) not in (0, 1):
        raise SystemExit(f"{command[0]} failed")
    return seconds, used.ru_maxrss / 1024


def main() -> None:
    """Measure, compare the numbers, and print."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "tidegate.yml").write_text(config(), encoding="utf-8")
        (place / "peer.py").write_text(PEER, encoding="utf-8")
        duckdb.execute("SELECT setseed(0.5)")
        duckdb.execute(
            "COPY (SELECT i AS id, (random() < p)::INT AS y, p, 'region ' || (i * 7919 % 20) AS region"
            f" FROM (SELECT i, random() AS p FROM range({ROWS}) t(i))) TO '{folder}/rows.parquet'"
        )
        ours_command = (sys.executable, "-I", "-m", "tidegate", "evaluate-gate", "--config", "tidegate.yml")
        ours_command += ("--predictions", "rows.parquet", "--forge", "none", "--fail-on", "never")
        peer_command = (sys.executable, "-I", "peer.py", "rows.parquet", "peer.json")
        rounds = [
            (measured(*ours_command, folder=folder), measured(*peer_command, folder=folder))
            for _ in range(ROUNDS)
        ]
        report = json.loads((place / "tidegate-out/evaluate-gate.json").read_text(encoding="utf-8"))
        peer = json.loads((place / "peer.json").read_text(encoding="utf-8"))
    apart = max(
        abs(check["value"] - peer[check["metric"]][check["slice"]["region"]]) for check in report["checks"]
    )
    seconds = [statistics.median(each[i][0] for each in rounds) for i in (0, 1)]
    memory = [max(each[i][1] for each in rounds) for i in (0, 1)]
    print(
        f"{ROWS:,} rows, {SLICES} slices, {len(METRICS)} checks; largest difference of a value: {apart:.1e}\n"
    )
    print("| whole process | seconds | peak MiB |")
    print("| --- | ---: | ---: |")
    print(f"| `tidegate evaluate-gate`, reports included | {seconds[0]:.2f} | {memory[0]:.0f} |")
    print(f"| scikit-learn in fairlearn's MetricFrame, values only | {seconds[1]:.2f} | {memory[1]:.0f} |")
    faster, less = seconds[1] / seconds[0], memory[0] / memory[1]
    print(f"| ratio | {faster:.1f} times faster | {less:.2f} of the memory |")


if __name__ == "__main__":
    main()
