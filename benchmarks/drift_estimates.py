"""How well performance is estimated without labels: Tidegate's CBPE, PAPE and DLE beside NannyML's CBPE and DLE.

Both see the same windows, whose labels are known to the benchmark alone. Prints Markdown tables: the mean absolute
error of the estimate, how often the 95% interval covers what the labels show, and how wide it is.
"""

import argparse
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from drift_labelled import BINARY, KINDS, REGRESSION, Case, realised
from drift_peers import NANNYML, TIDEGATE, Tool
from drift_runs import Job, Store, add_options, run_all, share, table

ROWS, REFERENCE_ROWS, QUICK_ROWS = (500, 5_000), 10_000, (500,)
METRICS = {"binary": BINARY, "regression": REGRESSION}
REFERENCE = "as on the reference"


@dataclass(frozen=True)
class Method:
    """A tool with settings."""

    name: str
    tool: Tool
    settings: tuple[tuple[str, Any], ...] = ()

    def job(self, case: Case) -> Job:
        """What its tool is asked."""
        about = ("task", "kind", "rows", "reference_rows")
        return Job(self.tool, "estimate", (*((name, getattr(case, name)) for name in about), *self.settings))


AUTO = Method("Tidegate, `estimate: auto`", TIDEGATE)
METHODS = {
    "binary": (
        AUTO,
        Method("Tidegate, CBPE", TIDEGATE, (("method", "cbpe"),)),
        Method("NannyML, CBPE", NANNYML),
    ),
    "regression": (Method("Tidegate, DLE", TIDEGATE), Method("NannyML, DLE", NANNYML)),
}


@cache
def truth(case: Case, run: int) -> tuple[dict[str, float], dict[str, float]]:
    """What the labels of reference and current window show."""
    then, now = (realised(case.task, window) for window in case.draw(run))
    return then, now


def errors(store: Store, method: Method | None, case: Case, metric: str) -> str:
    """Mean absolute error with its standard error; of no method, of taking the reference's value."""
    found = [[answer[metric][0] for answer in store.of(each.job(case))] for each in METHODS[case.task]]
    if method is None:
        values = [truth(case, run)[0][metric] for run in range(max(map(len, found)))]
    else:
        values = found[METHODS[case.task].index(method)]
    off = [abs(value - truth(case, run)[1][metric]) for run, value in enumerate(values)]
    return f"{np.mean(off):.4f} ± {np.std(off) / math.sqrt(len(off)):.4f} ({len(off):,})" if off else ""


def coverage(store: Store, method: Method | None, case: Case, metric: str) -> str:
    """Share of intervals that hold what the labels show, and half of their mean width."""
    found = store.of(method.job(case)) if method else []
    if not found:
        return ""
    ends = np.array([answer[metric][1:3] for answer in found])
    value = np.array([truth(case, run)[1][metric] for run in range(len(found))])
    hits = int(np.count_nonzero((ends[:, 0] <= value) & (value <= ends[:, 1])))
    return f"{share(hits, len(found))} ({float(np.diff(ends, axis=1).mean()) / 2:.3f})"


def tables(store: Store, cases: list[Case]) -> Iterator[str]:
    """All estimates as Markdown."""
    shown: list[tuple[str, Callable[[Store, Method | None, Case, str], str]]] = [
        ("mean absolute error of the estimate with its standard error, and the number of windows", errors),
        (
            "share of 95% intervals that hold what the labels show, with its standard error (half of their mean width)",
            coverage,
        ),
    ]
    for task, metrics in METRICS.items():
        for title, figure in shown:
            yield f"\n{task.capitalize()}: {title}.\n"
            columns: list[Method | None] = [*METHODS[task], None]
            lines = [
                (
                    f"{KINDS[case.kind]} | {case.rows:,} | `{metric}`",
                    [figure(store, method, case, metric) for method in columns],
                )
                for case in cases
                if case.task == task
                for metric in metrics
            ]
            names = [method.name if method else REFERENCE for method in columns]
            yield from table("what happens | rows | metric", names, lines)


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser, runs=100, peer_runs=40, seconds=60)
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS, help="of the current window")
    parser.add_argument("--reference-rows", type=int, default=REFERENCE_ROWS)
    asked = parser.parse_args()
    rows = QUICK_ROWS if asked.quick and asked.rows is ROWS else asked.rows
    cases = [Case(task, kind, n, asked.reference_rows) for task in METRICS for kind in KINDS for n in rows]
    store = run_all([method.job(case) for case in cases for method in METHODS[case.task]], asked)
    print(
        f"References of {asked.reference_rows:,} labelled rows. NannyML's intervals are brought from three standard"
    )
    print("errors to 95%.")
    print("\n".join(tables(store, cases)))


if __name__ == "__main__":
    main()
