"""`tidegate backtest` on the New York flights of 2013: trigger policies that would have retrained the delay model.

The history is the year without its golden set, in windows of two weeks; labels are taken to come four weeks late, so
that estimates without labels have something to say. Trainings and predictions are those of the demo's own commands. A
run that was ended goes on where it was.

    python benchmarks/backtest_flights.py [--fresh]
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import duckdb

from tidegate.demo.flights import write_flights, write_project

BUILD = Path(__file__).parent / "build" / "backtest"
WINDOW, DELAY = "14d", "28d"
CONFIG = f"""\
version: 1
models:
  flight-delay:
    task: binary
    columns: {{id: flight_id, label: delayed, positive: 1, score: p_delayed, threshold: 0.3, timestamp: departed_at}}
    predict: '"{sys.executable}" predict.py --model {{model_dir}} --data {{data}} --output {{predictions}}'
    drift:
      features: [carrier, origin, dest, dep_hour, distance, wind_speed, humidity, pressure, precipitation, visibility]
      label_delay: {DELAY}
    retrain:
      when: [performance_drop]
      costs: {{retrain: 40, point_of_metric: 1000}}
      train: '"{sys.executable}" train.py --data {{data}} --output {{model_dir}}'
"""
POLICIES = """\
drift and estimated_drop:
  when: ["drift and estimated_drop"]
older than 60 days:
  when: ["age > 60d"]
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fresh", action="store_true", help="Forget an earlier run.")
    if parser.parse_args().fresh:
        shutil.rmtree(BUILD, ignore_errors=True)
    _set_up()
    began = time.monotonic()
    command = [
        sys.executable,
        "-m",
        "tidegate",
        "backtest",
        "--history",
        "history.parquet",
        "--window",
        WINDOW,
    ]
    command += ["--policies", "policies.yml", "--config", "tidegate.yml", "--forge", "none"]
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "TIDEGATE_"))
    }
    done = subprocess.run(command, cwd=BUILD, env=kept, check=False)
    took = time.monotonic() - began
    if done.returncode:
        return done.returncode
    document = json.loads((BUILD / "tidegate-out" / "backtest.json").read_text(encoding="utf-8"))
    print()
    print(_table(document))
    print()
    print(f"Onset: {document['onset']['sentence']}.")
    print(f"Recommended: {document['recommendation']['sentence']}.")
    print(f"{document['models']} models, {document['rows']:,} flights, {took:.0f} seconds.")
    return 0


def _set_up() -> None:
    if (BUILD / "history.parquet").exists():
        return
    flights = write_flights(BUILD / "flights")
    write_project(BUILD)
    paths = [str(month.path) for month in flights.months]
    duckdb.read_parquet(paths).order("departed_at, flight_id").write_parquet(str(BUILD / "history.parquet"))
    (BUILD / "tidegate.yml").write_text(CONFIG, encoding="utf-8")
    (BUILD / "policies.yml").write_text(POLICIES, encoding="utf-8")


def _table(document: dict) -> str:
    lines = [
        "| policy | retrainings (better) | alarms (for nothing) | days to alarm | mean AUC | cost | 95% interval |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for each in document["policies"]:
        better = sum(retrain["outcome"] == "better" for retrain in each["retrains"])
        days = "–" if each["days_to_alarm"] is None else f"{each['days_to_alarm']:.0f}"
        low, high = each["ci"]
        alarms = f"{each['alarms']} ({each['false_alarms']})"
        lines.append(
            f"| {each['name']} | {len(each['retrains'])} ({better}) | {alarms} | {days}"
            f" | {each['mean_metric']:.4f} | {each['cost']:,.0f} | {low:,.0f} to {high:,.0f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
