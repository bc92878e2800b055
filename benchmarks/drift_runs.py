"""Many runs of many jobs by many tools, in bounded time, whose answers are kept.

A run that was ended goes on where it was, and a longer one adds to a shorter; the answers of a tool whose code has
changed since are made anew.
"""

import argparse
import json
import math
import os
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drift_peers import HERE, PLAIN, TIDEGATE, Tool, Worker

BUILD = HERE.parent / "build"


@dataclass(frozen=True)
class Job:
    """What a tool is asked again and again, each time with the number of the run.

    Attributes:
        function: of the tool's module.
        request: names and values, without the run.
        keep: what is kept of an answer.
    """

    tool: Tool
    function: str
    request: tuple[tuple[str, Any], ...]
    keep: Callable[[Any], Any] = field(default=lambda answer: answer, compare=False)

    @property
    def key(self) -> str:
        """What answers are kept under."""
        asked = ", ".join(f"{name}={value}" for name, value in self.request)
        return f"{self.tool.name} {self.tool.identity}: {self.function}({asked})"


@dataclass
class Store:
    """Answers by job, in the order of the runs."""

    path: Path
    answers: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """Read what is kept."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        for line in self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else ():
            if line.endswith("}"):  # the last line of a run that was killed may be cut
                kept = json.loads(line)
                self.answers[kept["key"]] += kept["answers"]

    def of(self, job: Job) -> list[Any]:
        """All answers to a job, none if it was never run."""
        return self.answers.get(job.key, [])

    def add(self, job: Job, answers: list[Any]) -> None:
        """Keep more of them."""
        with self.lock:
            self.answers[job.key] += answers
            with self.path.open("a", encoding="utf-8") as file:
                print(json.dumps({"key": job.key, "answers": answers}), file=file)


@dataclass
class Crew:
    """Processes of the tools, each of which one thread at a time asks."""

    stack: ExitStack
    idle: dict[tuple[str, str], list[Worker]] = field(default_factory=lambda: defaultdict(list))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, job: Job) -> Worker:
        """One that nobody asks."""
        with self.lock:
            free = self.idle[job.tool.name, job.function]
            return free.pop() if free else self.stack.enter_context(Worker(job.tool, job.function))

    def give(self, job: Job, worker: Worker) -> None:
        """Hand it back."""
        self.idle[job.tool.name, job.function].append(worker)


@dataclass(frozen=True)
class Limits:
    """When a job is done: with so many runs, or after so many seconds and two runs."""

    runs: int
    peer_runs: int
    seconds: float

    def runs_of(self, tool: Tool) -> int:
        """Tools in environments of their own are slow, and what they do is far from the edge."""
        return self.runs if tool in (TIDEGATE, PLAIN) else self.peer_runs


def add_options(parser: argparse.ArgumentParser, *, runs: int, peer_runs: int, seconds: float) -> None:
    """The options that all such benchmarks have."""
    parser.add_argument("--runs", type=int, default=runs, help="of each job of Tidegate and plain methods")
    parser.add_argument("--peer-runs", type=int, default=peer_runs, help="of each job of the other tools")
    parser.add_argument(
        "--seconds", type=float, default=seconds, help="at most, of each job; 0: only what is kept"
    )
    parser.add_argument("--quick", action="store_true", help="few runs of small windows")
    parser.add_argument(
        "--without", nargs="*", default=[], metavar="TOOL", help="such as Evidently or NannyML"
    )
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--kept", type=Path, default=BUILD / "drift_runs.jsonl", help="file of all answers")


def limits(asked: argparse.Namespace) -> Limits:
    """What the options say."""
    return Limits(30, 5, 3.0) if asked.quick else Limits(asked.runs, asked.peer_runs, asked.seconds)


def run_all(jobs: Iterable[Job], asked: argparse.Namespace) -> Store:
    """Run jobs until each is done, and return all answers; progress goes to standard error."""
    store, until = Store(asked.kept), limits(asked)
    every = [job for job in dict.fromkeys(jobs) if job.tool.name not in asked.without]
    left = [job for job in every if _left(job, store, until)]
    for tool in dict.fromkeys(job.tool for job in left):
        tool.python()  # where environments must be made, before threads ask for them
    with ExitStack() as stack, ThreadPoolExecutor(asked.processes) as pool:
        crew = Crew(stack)
        try:
            for done, job in enumerate(pool.map(lambda job: _run(job, store, crew, until), left), 1):
                said = ", ".join(str(value) for _, value in job.request)
                print(f"{done} of {len(left)}: {job.tool.name}, {said}", file=sys.stderr, flush=True)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return store


def _left(job: Job, store: Store, until: Limits) -> bool:
    return until.seconds > 0 and len(store.of(job)) < until.runs_of(job.tool)


def _run(job: Job, store: Store, crew: Crew, until: Limits) -> Job:
    worker, first, found = crew.take(job), len(store.of(job)), []
    began = time.monotonic()
    for run in range(first, until.runs_of(job.tool)):
        if run >= 2 and time.monotonic() - began > until.seconds:
            break
        found.append(job.keep(worker.ask(**dict(job.request), run=run)))
    crew.give(job, worker)
    store.add(job, found)
    return job


def share(hits: int, runs: int) -> str:
    """A share and its standard error in points, which is not 0 where all or none hit (Agresti & Coull, 1998)."""
    near = (hits + 2) / (runs + 4)
    return f"{hits / runs:.1%} ± {100 * math.sqrt(near * (1 - near) / (runs + 4)):.1f}"


def table(head: str, columns: list[str], lines: list[tuple[str, list[str]]]) -> list[str]:
    """A Markdown table; what has no figures has no column, and what has none at all no line."""
    shown = [i for i in range(len(columns)) if any(figures[i] for _, figures in lines)]
    if not shown:
        return ["Nothing was run."]
    made = [f"| {head} | {' | '.join(columns[i] for i in shown)} |"]
    made.append(f"| {' | '.join(['---'] * (head.count('|') + 1))} |{' ---: |' * len(shown)}")
    for name, figures in lines:
        if any(figures):
            made.append(f"| {name} | {' | '.join(figures[i] for i in shown)} |")
    return made
