"""The story of the demo: nothing in it is scripted but the order in which a team would act.

Each month's flights arrive, are scored by the model that serves, and are compared with the month that this model was
held out on. When the trigger policy fires, a model is trained on everything older than the newest month and proposed
in a pull request; the gate and the comparison decide whether it is merged.
"""

import calendar
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import cached_property
from io import StringIO
from pathlib import Path
from typing import Any

from tidegate.commands import compare_to_prod, drift_report, evaluate_gate, open_retrain_pr, promote
from tidegate.commands.base import Common, Invocation, is_terminal
from tidegate.config import Model
from tidegate.demo.flights import YEAR, Flights, Month, write_flights, write_project
from tidegate.forge import LocalForge
from tidegate.git import Repository
from tidegate.loading import load_config
from tidegate.metrics import METRICS
from tidegate.metrics.data import Groups
from tidegate.predictions import read_predictions
from tidegate.reports.escape import terminal_text
from tidegate.scoring import Scorer
from tidegate.tables import Table, open_table

MODEL = "flight-delay"
FIRST_MONTHS = 3
MODEL_DIR = f"models/{MODEL}"
BRANCH = f"tidegate/retrain/{MODEL}"
CONFIG = Path(".github/tidegate.yml")


@dataclass(frozen=True, slots=True)
class Chapter:
    """What happened in one month.

    Attributes:
        with_loop: realised area under the ROC curve of the model that served.
        without_loop: of the first model, had nothing been done.
    """

    month: str
    flights: int
    drifted: str
    with_loop: float
    without_loop: float
    decision: str
    why: str


class Narrator:
    """Tells the story: plain lines, and on a terminal a line of progress below them."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._done = 0
        self._doing = ""
        # What a command prints is caught; the story itself goes where it went before.
        self._out = sys.stdout
        self._watched = is_terminal(sys.stdout)
        self._began = time.monotonic()

    def say(self, text: str = "") -> None:
        """One line of the story."""
        self._clear()
        print(text, file=self._out, flush=True)
        self._draw()

    def progress(self, doing: str, *, done: bool = False) -> None:
        """What is being done now, on a terminal only."""
        self._done += done
        self._doing = doing
        self._draw()

    def _draw(self) -> None:
        if self._watched and self._doing:
            filled = round(20 * self._done / self._steps)
            bar = "#" * filled + "." * (20 - filled)
            elapsed = time.monotonic() - self._began
            self._out.write(f"\r\x1b[2K[{bar}] {elapsed:4.0f} s  {self._doing}")
            self._out.flush()

    def end(self) -> None:
        """Take the progress line away."""
        self._doing = ""
        self._clear()

    def _clear(self) -> None:
        if self._watched:
            self._out.write("\r\x1b[2K")


class _Told(Invocation):
    """A command whose long work is told by the narrator."""

    def __init__(self, command: str, common: Common, narrator: Narrator) -> None:
        super().__init__(command, common)
        self._narrator = narrator

    def progress(self, what: str) -> Callable[[str], None]:
        """The lines of a training become a line of the story; those of a prediction are not worth one."""
        if what == "train":
            return lambda line: self._narrator.say(f"  train | {terminal_text(line, limit=200)}")
        return lambda line: None


class Flywheel:
    """A team's repository, its remote, its forge and the year that it lives through."""

    def __init__(self, folder: Path) -> None:
        """Set up the repository with the model's code and configuration; the data has not arrived yet."""
        self.folder = folder.resolve()
        self.repo = self.folder / "repo"
        self.reports = self.folder / "reports"
        self.forge = LocalForge(self.folder / "forge")
        self.narrator = Narrator(steps=1 + 12 - FIRST_MONTHS)
        self.chapters: list[Chapter] = []
        self.flights: Flights = write_flights(self.folder / "flights")
        self.git = _new_repository(self.repo, self.folder / "remote.git")
        write_project(self.repo)
        (self.repo / CONFIG).parent.mkdir()
        shutil.copyfile(Path(__file__).parent / "project" / "tidegate.yml", self.repo / CONFIG)
        (self.repo / ".gitignore").write_text("data/\n__pycache__/\n", encoding="utf-8")
        (self.repo / "data" / "labelled").mkdir(parents=True)
        shutil.copyfile(self.flights.golden, self.repo / "data" / "golden.parquet")
        self.git.git("add", "--all")
        self.git.git("commit", "--quiet", "--message=Add the delay model's code and configuration")
        self.git.git("push", "--quiet", "--set-upstream", "origin", "main")

    @cached_property
    def model(self) -> Model:
        """The model's configuration."""
        return load_config(self.repo / CONFIG).config.models[MODEL]

    def run(self) -> list[Chapter]:
        """Live through the year."""
        with _inside(self.repo):
            self._first_release()
            for month in self.flights.months[FIRST_MONTHS:]:
                self._live(month)
        self.narrator.end()
        return self.chapters

    def _first_release(self) -> None:
        say = self.narrator.say
        first = self.flights.months[:FIRST_MONTHS]
        say(
            f"{sum(m.rows for m in self.flights.months) + self.flights.golden_rows:,} flights left New York"
            f" in {YEAR} and arrived; {self.flights.unlabelled:,} more never did and are left out."
        )
        say(
            f"{self.flights.golden_rows:,} flights of January to March are the golden set: no model is trained on them."
        )
        say()
        say(f"January to March {YEAR}: the first model")
        for month in first:
            self._arrive(month)
        self._propose(first[-1], reason="first model", first=True)
        self.first_model = self.folder / "first-model"
        shutil.copytree(self.repo / MODEL_DIR, self.first_model)
        self.narrator.progress("first model released", done=True)

    def _live(self, month: Month) -> None:
        name = calendar.month_name[month.number]
        self.narrator.say()
        self.narrator.say(f"{name} {YEAR}: {month.rows:,} flights, {month.delayed / month.rows:.1%} late")
        self._arrive(month)
        current = self._scored(self.repo / MODEL_DIR, month.path, name)
        drift = self._command(
            "drift-report",
            month,
            lambda i: drift_report.run(i, drift_report.Request(str(self.reference), str(current.files[0]))),
        )
        realised = drift["performance"]["realised"]
        drifted = [feature for feature in drift["features"] if feature["drifted"]]
        frozen = self._auc(self._scored(self.first_model, month.path, f"{name}, first model"))
        decision, why = "kept", "no trigger fired"
        if drift["decision"] == "retrain":
            fired = ", ".join(trigger["condition"] for trigger in drift["triggers"] if trigger["fired"])
            decision, because = self._propose(month, reason=None)
            why = f"{fired}; {because}"
        self.chapters.append(
            Chapter(
                month=name,
                flights=month.rows,
                drifted=f"{len(drifted)} of {len(drift['features'])}",
                with_loop=realised["current"],
                without_loop=frozen,
                decision=decision,
                why=why,
            )
        )
        self.narrator.progress(f"{name} done", done=True)

    def _arrive(self, month: Month) -> None:
        """The month's labels are known: they become data to train on, and the newest rows to judge on."""
        shutil.copyfile(month.path, self.repo / "data" / "labelled" / month.path.name)
        shutil.copyfile(month.path, self.repo / "data" / "recent.parquet")

    def _propose(self, month: Month, *, reason: str | None, first: bool = False) -> tuple[str, str]:
        """Train, open the pull request, let the gates judge it, and do what they say."""
        report = None if reason else str(self._reports(month) / "drift-report.json")
        request = open_retrain_pr.Request(report, reason, None, None, None)
        opened = self._command("open-retrain-pr", month, lambda i: open_retrain_pr.run(i, request))
        if opened["pull_request"] is None:
            return opened["decision"], opened["reasons"][0]
        number = opened["pull_request"]["number"]
        self.git.git("fetch", "--quiet", "origin", BRANCH)
        self.git.git("checkout", "--quiet", "-B", BRANCH, "FETCH_HEAD")
        gate = self._command("evaluate-gate", month, lambda i: evaluate_gate.run(i, None))
        compared = self._command(
            "compare-to-prod",
            month,
            lambda i: compare_to_prod.run(i, compare_to_prod.Request([], None, None, first_release=first)),
        )
        self.git.git("checkout", "--quiet", "main")
        if gate["decision"] != "pass" or compared["decision"] != "promote":
            self.forge.close_pull_request(number, merged=False)
            blocking = gate if gate["decision"] != "pass" else compared
            self.narrator.say(f"  pull request {number} is closed: production stays as it is")
            return f"held ({blocking['decision']})", blocking["reasons"][0]
        self.git.git(
            "merge", "--quiet", "--no-ff", f"--message=Merge pull request #{number} from {BRANCH}", BRANCH
        )
        self.git.git("push", "--quiet", "origin", "main", f":{BRANCH}")
        self.forge.close_pull_request(number, merged=True)
        promoted = self._command("promote", month, promote.run)
        scored = self._scored(self.repo / MODEL_DIR, month.path, "the new reference")
        # The month that the model was held out on is what its later months are compared with.
        self.reference = self.folder / "reference.parquet"
        shutil.copyfile(scored.files[0], self.reference)
        return f"merged (version {promoted['version']})", compared["reasons"][0]

    def _command(self, command: str, month: Month, run: Callable[[Invocation], int]) -> dict[str, Any]:
        """Run one of Tidegate's own commands as its command line would, and tell what it said."""
        self.narrator.progress(f"{calendar.month_name[month.number]}: {command}")
        common = Common(
            config=CONFIG,
            model=MODEL,
            output_dir=self._reports(month),
            forge=f"local:{self.forge.folder}",
            comment=True,
            fail_on="stop",
        )
        said = StringIO()
        invocation = _Told(command, common, self.narrator)
        with redirect_stdout(said):
            run(invocation)
        for line in said.getvalue().splitlines():
            if line.startswith((command, "  - ")):
                self.narrator.say(f"  {line}")
        document: dict[str, Any] = json.loads(
            (self._reports(month) / f"{command}.json").read_text(encoding="utf-8")
        )
        return document

    def _reports(self, month: Month) -> Path:
        return self.reports / f"{YEAR}-{month.number:02d}"

    def _scored(self, model_dir: Path, data: Path, name: str) -> Table:
        """What the serving system logs: the month's flights with the score that each was given."""
        self.narrator.progress(f"scoring {name}")
        return Scorer(self.model, self.repo, self.folder / "scored", lambda _: None).table(
            model_dir, open_table(str(data)), name
        )

    def _auc(self, table: Table) -> float:
        data = read_predictions(table, self.model, parts=["label", "score"])
        value = METRICS["roc_auc"].estimate(data, Groups.everything(data.rows), {}, None)[0].value
        if value is None:
            raise LookupError("a month of flights has late ones and punctual ones")
        return value


def _new_repository(folder: Path, remote: Path) -> Repository:
    folder.mkdir(parents=True)
    git = Repository(folder)
    git.git("init", "--quiet", "--bare", "--initial-branch=main", str(remote))
    git.git("init", "--quiet", "--initial-branch=main")
    git.git("remote", "add", "origin", str(remote))
    git.git("config", "user.name", "Delay model team")
    git.git("config", "user.email", "team@example.com")
    git.git("config", "commit.gpgsign", "false")
    return git


@contextmanager
def _inside(folder: Path) -> Iterator[None]:
    """Work in a folder, with this interpreter as `python` and without what a surrounding runner has set."""
    before, environment = Path.cwd(), dict(os.environ)
    os.chdir(folder)
    for name in [name for name in os.environ if name.startswith(("GITHUB_", "TIDEGATE_"))]:
        del os.environ[name]
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    try:
        yield
    finally:
        os.chdir(before)
        os.environ.clear()
        os.environ.update(environment)
