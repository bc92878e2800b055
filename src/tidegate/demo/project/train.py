"""Train the delay model: ``python train.py --data FLIGHTS --output MODEL_DIR``."""

import argparse
import sys
from pathlib import Path

import duckdb
from delay_model import FEATURES, fit


def main() -> int:
    """Read labelled flights, fit, write ``model.json``."""
    parser = argparse.ArgumentParser(description="Train the delay model.")
    parser.add_argument("--data", required=True, help="a Parquet file, or a folder of them")
    parser.add_argument("--output", required=True, type=Path, help="folder for the model")
    options = parser.parse_args()

    data = Path(options.data)
    flights = duckdb.read_parquet(str(data / "*.parquet") if data.is_dir() else str(data))
    columns = flights.select(f"departed_at, delayed, {', '.join(FEATURES)}").fetchnumpy()
    late = columns["delayed"].astype(float)
    if len(late) == 0 or not 0 < late.mean() < 1:
        print("train.py: the data must hold both late flights and flights in time", file=sys.stderr)
        return 1
    days = columns["departed_at"].astype("datetime64[D]")
    span = f"{days.min()} to {days.max()}"
    print(f"training on {len(late):,} flights, {span}, {late.mean():.1%} late", flush=True)
    model = fit(columns, late)
    model.save(options.output)
    print(f"wrote {options.output / 'model.json'}, {sum(map(len, model.weights.values()))} weights")
    return 0


if __name__ == "__main__":
    sys.exit(main())
