"""What every run pays: processor time of the command line beside bare Python and beside one import of a peer.

Prints ratios within one run. A figure is the median of several whole processes, children included.
"""

import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb

ROWS = 10_000
REPEATS = 7
CONFIG = """
version: 1
models:
  m:
    task: binary
    columns: {id: id, label: y, score: p, latency: ms}
    gate:
      - {metric: roc_auc, min: 0.0, confidence: 0.95}
      - {metric: recall, min: 0.0, slices: [region]}
      - {metric: log_loss, max: 10}
      - {metric: latency_p95, max: 1000}
"""


def processor_seconds(*command: str, folder: str) -> float:
    """Median user and system time of a command."""
    figures = []
    for _ in range(REPEATS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        figures.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(figures)


def main() -> None:
    """Measure and print."""
    python = (sys.executable, "-I")
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "tidegate.yml"
        config.write_text(CONFIG, encoding="utf-8")
        duckdb.execute(
            "COPY (SELECT i AS id, (random() < 0.4)::INT AS y, random() AS p, random() * 30 AS ms,"
            f" 'r' || (i % 7) AS region FROM range({ROWS}) t(i)) TO '{folder}/rows.parquet'"
        )
        gate = (
            "evaluate-gate",
            "--config",
            "tidegate.yml",
            "--predictions",
            "rows.parquet",
            "--forge",
            "none",
        )
        bare = processor_seconds(*python, "-c", "pass", folder=folder)
        click = processor_seconds(*python, "-c", "import click", folder=folder)
        peer = processor_seconds(*python, "-c", "import sklearn.metrics", folder=folder)
        shown = processor_seconds(*python, "-m", "tidegate", "--help", folder=folder)
        judged = processor_seconds(*python, "-m", "tidegate", *gate, folder=folder)
    print("| work | CPU seconds | ratio |")
    print("| --- | ---: | --- |")
    print(f"| `python -c pass` | {bare:.3f} | |")
    print(f"| `python -c 'import click'` | {click:.3f} | {click / bare:.1f} × bare |")
    print(f"| `tidegate --help` | {shown:.3f} | {shown / bare:.1f} × bare (limit 12) |")
    print(f"| `python -c 'import sklearn.metrics'` | {peer:.3f} | |")
    print(
        f"| `tidegate evaluate-gate`, {ROWS:,} rows | {judged:.3f} | {judged / peer:.2f} × that import (limit 1) |"
    )


if __name__ == "__main__":
    main()
