"""Rows of a made-up delivery service whose world can change: windows for the end-to-end tests."""

import csv
import random
from datetime import datetime, timedelta
from pathlib import Path

CITIES = ("Oslo", "Bergen", "Tromsø")
CHANCE = {"sun": 0.1, "rain": 0.3, "snow": 0.7}
COLUMNS = ("id", "at", "hour", "weather", "city", "late")


def write_rows(
    path: Path,
    rows: int,
    *,
    seed: int,
    changed: bool = False,
    start: datetime = datetime(2026, 1, 1),
    cities: tuple[str, ...] = CITIES,
    column: str = "city",
) -> Path:
    """Write labelled rows as CSV.

    Args:
        path: where to.
        rows: how many.
        seed: of the draw, and part of every id.
        changed: snow no longer delays, but the evening does: the relation between inputs and label moved.
        start: time of the first row; one a minute.
        cities: values of the city column.
        column: its name.
    """
    draw = random.Random(seed)
    names = [column if name == "city" else name for name in COLUMNS]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, names)
        writer.writeheader()
        for i in range(rows):
            hour, weather = draw.randrange(24), draw.choice(tuple(CHANCE))
            chance = _chance_in_the_evening(hour) if changed else CHANCE[weather]
            at = start + timedelta(minutes=i)
            city = draw.choice(cities)
            row = (f"{seed}-{i}", at.isoformat(sep=" "), hour, weather, city, int(draw.random() < chance))
            writer.writerow(dict(zip(names, row, strict=True)))
    return path


def _chance_in_the_evening(hour: int) -> float:
    return 0.7 if hour >= 16 else 0.1
