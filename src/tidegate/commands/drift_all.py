"""``drift-report --all``: many models in one run, each with its own report, and a matrix for the jobs that follow."""

import json
from collections.abc import Iterator
from dataclasses import replace

from tidegate.commands.base import Invocation
from tidegate.commands.drift_report import Request, record_failure, report
from tidegate.errors import ConfigError, TidegateError, UsageError
from tidegate.wording import plural

_ORDER = ("none", "watch", "retrain")


def run(invocation: Invocation, request: Request) -> int:
    """Report each model in a folder of its own; one that fails does not keep the others from being watched.

    Returns:
        0 when every model was watched, else the largest exit code of those that were not.
    """
    if invocation.common.model is not None or request.reference is not None or request.current is not None:
        raise UsageError(
            "--all watches every model by its config: leave out --model, --reference and --current"
        )
    watched: list[dict[str, str]] = []
    code = 0
    for name in models(invocation):
        common = replace(
            invocation.common, model=name, output_dir=invocation.common.output_dir / name, comment=False
        )
        own = Invocation(invocation.command, common, summarise=False)
        if request.failed is not None:
            record_failure(own, request.failed)
            continue
        try:
            document = report(own, request)
        except TidegateError as error:
            own.warn(f"{name}: {error}")
            watched.append({"model": name, "decision": "failed", "json": ""})
            code = max(code, error.exit_code)
            continue
        path = common.output_dir / f"{invocation.command}.json"
        watched.append({"model": name, "decision": document["decision"], "json": str(path)})
    decisions = [each["decision"] for each in watched if each["decision"] in _ORDER]
    invocation.actions.write_outputs(
        {
            "decision": max(decisions, key=_ORDER.index, default="none"),
            "matrix": json.dumps({"include": [each for each in watched if each["decision"] == "retrain"]}),
            "models": json.dumps(watched),
        }
    )
    for line in _overview(watched):
        print(line)
    return code


def models(invocation: Invocation) -> list[str]:
    """The models that can be watched by their config alone, in its order."""
    found = [
        name
        for name, model in invocation.loaded.config.models.items()
        if model.drift.reference is not None and model.drift.current is not None
    ]
    if not found:
        raise ConfigError(
            "--all finds no model to watch: name the windows of each under `drift.reference:` and `drift.current:`"
        )
    return found


def _overview(watched: list[dict[str, str]]) -> Iterator[str]:
    counted = {
        decision: sum(each["decision"] == decision for each in watched)
        for decision in ("retrain", "watch", "none", "failed")
    }
    told = ", ".join(f"{decision}: {count:,}" for decision, count in counted.items() if count)
    yield f"{plural(len(watched), 'model')} watched ({told})"
    yield from (
        f"  {each['decision']:8} {each['model']}"
        for each in watched
        if each["decision"] in ("retrain", "failed")
    )
