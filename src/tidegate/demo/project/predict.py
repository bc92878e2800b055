"""Predict delays: ``python predict.py --model MODEL_DIR --data FLIGHTS --output PREDICTIONS``."""

import argparse
import sys
from pathlib import Path

import duckdb
from delay_model import FEATURES, DelayModel


def main() -> int:
    """Write the rows of the data with a further column, ``p_delayed``."""
    parser = argparse.ArgumentParser(description="Predict delays.")
    parser.add_argument("--model", required=True, type=Path, help="folder with model.json")
    parser.add_argument("--data", required=True, help="a Parquet file")
    parser.add_argument("--output", required=True, type=Path, help="the Parquet file to write")
    options = parser.parse_args()

    connection = duckdb.connect()
    flights = connection.read_parquet(options.data)
    columns = flights.select(f"flight_id, {', '.join(FEATURES)}").fetchnumpy()
    probability = DelayModel.load(options.model).predict(columns)
    connection.register("predicted", {"flight_id": columns["flight_id"], "p_delayed": probability})
    joined = flights.join(connection.table("predicted"), "flight_id").order("flight_id")
    joined.write_parquet(str(options.output))
    return 0


if __name__ == "__main__":
    sys.exit(main())
