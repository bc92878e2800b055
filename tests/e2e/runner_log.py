"""What happened in a run, read from the JSON lines that the runner prints."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(slots=True)
class Step:
    """A step that ran. Steps inside a composite action have ids like `gate/run`."""

    id: str
    name: str
    result: str = "cancelled"
    seconds: float = 0.0
    outputs: dict[str, str] = field(default_factory=dict)
    summary: str = ""
    log: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Job:
    """A job that ran; one of a matrix each."""

    id: str
    matrix: Mapping[str, Any]
    result: str = "cancelled"
    steps: dict[str, Step] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Annotation:
    """A `::notice`, `::warning`, `::error` or any other workflow command that the runner obeyed."""

    command: str
    text: str
    parameters: Mapping[str, str]
    step: str


@dataclass(slots=True)
class Run:
    """What happened in one run of a workflow."""

    exit_code: int
    seconds: float
    token: str
    artifacts: Path
    raw: str
    jobs: list[Job] = field(default_factory=list)
    annotations: list[Annotation] = field(default_factory=list)

    @property
    def result(self) -> str:
        """`success` or `failure` of the whole run."""
        return "failure" if self.exit_code else "success"

    @property
    def summary(self) -> str:
        """All job summaries, in order."""
        return "\n".join(step.summary for step in self._steps() if step.summary)

    @property
    def log(self) -> str:
        """What the steps printed, in order, as one text."""
        return "\n".join(line for step in self._steps() for line in step.log)

    def job(self, job_id: str) -> Job:
        """The only job with this id that ran."""
        (job,) = (job for job in self.jobs if job.id == job_id)
        return job

    def step(self, step_id: str) -> Step:
        """The only step with this id that ran. A skipped step leaves no trace: see `ran`."""
        (step,) = (step for step in self._steps() if step.id == step_id)
        return step

    def ran(self, step_id: str) -> bool:
        """Whether a step with this id ran."""
        return any(step.id == step_id for step in self._steps())

    def outputs(self, step_id: str) -> dict[str, str]:
        """The outputs of a step."""
        return self.step(step_id).outputs

    def artifact(self, name: str) -> list[str]:
        """The files of an uploaded artifact, as sorted paths below `artifacts / name`."""
        root = self.artifacts / name
        return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())

    def _steps(self) -> Iterable[Step]:
        return (step for job in self.jobs for step in job.steps.values())


def read(run: Run) -> Run:
    """Sort the runner's JSON lines into jobs (which run side by side) and steps."""
    jobs: dict[str, Job] = {}
    for line in run.raw.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if "jobID" in entry:
            job = jobs.setdefault(entry["job"], Job(entry["jobID"], entry.get("matrix") or {}))
            job.result = entry.get("jobResult", job.result)
            if entry.get("stage") == "Main":
                _read_step(entry, job, run)
    run.jobs.extend(jobs.values())
    return run


def _read_step(entry: Mapping[str, Any], job: Job, run: Run) -> None:
    step_id = "/".join(entry["stepID"])
    step = job.steps.setdefault(step_id, Step(step_id, entry["step"]))
    if "stepResult" in entry:
        step.result, step.seconds = entry["stepResult"], entry.get("executionTime", 0) / 1e9
    elif entry.get("raw_output"):
        # The terminal that act gives a step ends lines with CR LF.
        step.log.append(entry["msg"].rstrip("\r\n"))
    elif (command := entry.get("command")) == "set-output":
        step.outputs[entry["name"]] = entry["arg"]
    elif command == "summary":
        # act reports what the last step inside a composite wrote once more, for the composite itself.
        if not any(inner.startswith(f"{step_id}/") for inner in job.steps):
            step.summary += entry["content"]
    elif command:
        text, parameters = str(entry.get("arg", "")), entry.get("kvPairs") or {}
        run.annotations.append(Annotation(command, text, parameters, step_id))
