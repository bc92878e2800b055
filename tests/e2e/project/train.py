"""Train a model small enough to read: the share of late deliveries per hour and kind of weather.

python train.py --data ROWS.csv --output FOLDER
"""

import argparse
import csv
import json
from collections import defaultdict
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--data", required=True)
parser.add_argument("--output", required=True)
options = parser.parse_args()

seen: dict[str, list[int]] = defaultdict(lambda: [0, 0])
with open(options.data, encoding="utf-8", newline="") as stream:
    for row in csv.DictReader(stream):
        cell = seen[f"{row['hour']} {row['weather']}"]
        cell[0] += int(row["late"])
        cell[1] += 1
rates = {key: (late + 1) / (rows + 2) for key, (late, rows) in sorted(seen.items())}
print(f"trained on {sum(rows for _, rows in seen.values())} rows")
(Path(options.output) / "rates.json").write_text(json.dumps(rates, indent=1) + "\n", encoding="utf-8")
