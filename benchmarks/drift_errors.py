"""How often a drift report cries without cause, and what it finds: Tidegate beside plain tests, Evidently and NannyML.

All tools see the same windows, with their defaults; false alarms of Tidegate and of the plain tests are set to 1% of
reports. Prints Markdown tables: shares with their standard errors, and of how many reports.
"""

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from drift_data import CHANGES, DAYS, DEPENDENT, Scenario
from drift_peers import EVIDENTLY, NANNYML, PLAIN, TIDEGATE, Tool
from drift_runs import Job, Store, add_options, run_all, share, table

ROWS, MANY, QUICK_ROWS = (500, 5_000, 100_000), 1_000_000, (500, 5_000)
COLUMNS, SOME = (1, 10, 50), 10
FLIP = "correlation flip"
CHANGED = {FLIP: ("x0", "x1", "multivariate"), "new category, 2%": ("c1",)}
"""Columns that a report must name one of, where that is not ``x0``."""


@dataclass(frozen=True)
class Method:
    """A tool with settings.

    Attributes:
        alarm: what counts as one: anything said of a column, drift of a column, or the tool's verdict about the whole.
    """

    name: str
    tool: Tool
    settings: tuple[tuple[str, Any], ...] = ()
    alarm: Literal["any", "drift", "whole"] = "any"

    def named(self, report: Any) -> set[str]:
        """Columns that a report is an alarm about."""
        if self.alarm == "whole":
            return {"whole"} if report["own"] else set()
        return {*report["drifted"], *(report["noticed"] if self.alarm == "any" else ())}

    def job(self, scenario: Scenario) -> Job:
        """What its tool is asked."""
        about = (("kind", scenario.kind), ("rows", scenario.rows), ("columns", scenario.columns))
        # Only of the largest windows are p-values looked at.
        keep = _all if scenario.rows >= MANY else _verdict
        return Job(self.tool, "judge", (*about, *self.settings), keep)


def _all(answer: Any) -> Any:
    return answer


def _verdict(answer: Any) -> Any:
    return {name: answer[name] for name in ("drifted", "noticed", "own")}


ROWS_OF_OURS = Method("Tidegate", TIDEGATE)
MULTIVARIATE = Method("Tidegate, `multivariate: true`", TIDEGATE, (("multivariate", True),))
CHUNKS = Method("Tidegate, `baseline: chunks`", TIDEGATE, (("baseline", "chunks"),))
CHUNKS_ALONE = Method("the same without data quality", TIDEGATE, CHUNKS.settings, alarm="drift")
TESTS = Method("KS, chi-squared, Holm", PLAIN)
OF_EVIDENTLY = Method("Evidently, any column", EVIDENTLY)
HALF = Method("Evidently, half of the columns", EVIDENTLY, alarm="whole")
OF_NANNYML = Method("NannyML", NANNYML)
TOGETHER = Method("NannyML with its PCA", NANNYML, (("multivariate", True),))
USUAL = (ROWS_OF_OURS, TESTS, OF_EVIDENTLY, HALF, OF_NANNYML)
INDEPENDENT = (ROWS_OF_OURS, MULTIVARIATE, *USUAL[1:], TOGETHER)
IN_TIME = (ROWS_OF_OURS, CHUNKS, CHUNKS_ALONE, *USUAL[1:])
LARGEST = Scenario("same", MANY, SOME)


def nothing_changed(rows: list[int]) -> list[Scenario]:
    """Windows of one law."""
    return [Scenario("same", n, columns) for columns in COLUMNS for n in rows]


def in_time(rows: list[int]) -> list[Scenario]:
    """Windows whose rows depend on each other or on the weekday; a day needs a few rows."""
    return [Scenario(kind, n, SOME) for kind in DEPENDENT for n in rows if n >= 5_000]


def changed(rows: list[int]) -> list[Scenario]:
    """Windows of two laws."""
    return [Scenario(kind, n, SOME) for kind in CHANGES for n in rows]


def jobs(rows: list[int], *, largest: bool) -> Iterator[Job]:
    """Everything that the tables show."""
    for scenario in [*nothing_changed(rows), *changed(rows)]:
        # Tests of all columns together are for what no column shows; their false alarms are counted once.
        together = scenario.kind == FLIP or (scenario.kind == "same" and scenario.columns == SOME)
        yield from (method.job(scenario) for method in (INDEPENDENT if together else USUAL))
    yield from (method.job(scenario) for scenario in in_time(rows) for method in IN_TIME)
    if largest:
        yield from (method.job(LARGEST) for method in (ROWS_OF_OURS, TESTS))


def counted(store: Store, method: Method, scenario: Scenario, *, finds: bool = False) -> str:
    """How often a method alarms, or finds one of the columns that changed."""
    reports = store.of(method.job(scenario))
    if not reports:
        return ""
    wanted = {"whole", *CHANGED.get(scenario.kind, ("x0",))}
    alarms = [method.named(each) for each in reports]
    hits = sum(bool(each & wanted if finds else each) for each in alarms)
    return f"{share(hits, len(reports))} ({len(reports):,})"


def tables(store: Store, rows: list[int]) -> Iterator[str]:
    """All verdicts as Markdown."""
    for title, head, scenarios, methods in (
        (
            "Nothing changed, rows independent: share of reports that say something did (ours and Holm: at most 1%)",
            "columns | rows",
            nothing_changed(rows),
            INDEPENDENT,
        ),
        (
            f"Nothing changed, rows in time: {DAYS} days against the next, {SOME} columns (NannyML in chunks of a day)",
            "rows are | rows",
            in_time(rows),
            IN_TIME,
        ),
        (
            f"One change, {SOME} columns: share of reports that name what changed",
            "change | rows",
            changed(rows),
            INDEPENDENT,
        ),
    ):
        yield f"\n{title}.\n"
        lines = []
        for s in scenarios:
            name = f"{s.columns if s.kind == 'same' else s.kind} | {s.rows:,}"
            lines.append((name, [counted(store, m, s, finds=s.kind in CHANGES) for m in methods]))
        yield from table(head, [method.name for method in methods], lines)


def uniformity(store: Store) -> Iterator[str]:
    """How far p-values of single columns of the largest windows are from uniform."""
    yield (
        f"\np-values of single columns, {MANY:,} rows: the largest distance of their distribution from uniform, and the"
        " largest by which small ones are too frequent; 99% of uniform samples stay below the last column.\n"
    )
    yield "| method | columns | p-values | distance | too frequent | 99% by chance |"
    yield "| --- | --- | ---: | ---: | ---: | ---: |"
    for method in (ROWS_OF_OURS, TESTS):
        reports = store.of(method.job(LARGEST))
        for kind, initial in (("numeric", "x"), ("categorical", "c")):
            of_kind = [p for each in reports for name, p in each["p_values"].items() if name[0] == initial]
            p, m = np.sort(of_kind), len(of_kind)
            if m:
                above, below = float((np.arange(1, m + 1) / m - p).max()), float((p - np.arange(m) / m).max())
                figures = f"{max(above, below):.3f} | {max(above, 0):.3f} | {1.628 / math.sqrt(m):.3f}"
                yield f"| {method.name} | {kind} | {m:,} | {figures} |"


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser, runs=200, peer_runs=40, seconds=20)
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS)
    asked = parser.parse_args()
    rows = list(QUICK_ROWS if asked.quick and asked.rows is ROWS else asked.rows)
    store = run_all(jobs(rows, largest=not asked.quick), asked)
    print("Shares with their standard errors in points, and the number of reports.")
    print("\n".join([*tables(store, rows), *([] if asked.quick else uniformity(store))]))


if __name__ == "__main__":
    main()
