"""The command line: options in, exit code out. Each command's own module is imported when it runs."""

import signal
import sys
import traceback
from collections.abc import Callable
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tidegate import __version__
from tidegate.errors import TidegateError

if TYPE_CHECKING:
    from tidegate.commands.base import Invocation

PREFIX = "TIDEGATE_"
DEFECT = 70
"""Exit code of an unexpected error (EX_SOFTWARE of sysexits.h)."""


class _Lines(click.ParamType[str]):
    """Several values: repeated on the command line, one per line in the environment."""

    name = "text"
    envvar_list_splitter = "\n"

    def split_envvar_value(self, rv: str) -> list[str]:
        return [line.strip() for line in rv.splitlines() if line.strip()]


def _option(name: str, *more: str, **settings: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """An option that an action's input reaches through the environment under the same name."""
    variable = PREFIX + name.split("/")[0].lstrip("-").replace("-", "_").upper()
    return click.option(name, *more, envvar=variable, **settings)


def _common(command: Callable[..., Any]) -> Callable[..., Any]:
    options = [
        _option(
            "--config", type=click.Path(path_type=Path), default=".github/tidegate.yml", show_default=True
        ),
        _option("--model", metavar="NAME", help="Which model, when the config has several."),
        _option("--output-dir", type=click.Path(path_type=Path), default="tidegate-out", show_default=True),
        _option("--forge", default="auto", show_default=True, metavar="auto|github|local:DIR|none"),
        _option("--comment/--no-comment", default=True, help="Comment on the pull request."),
        _option(
            "--fail-on",
            type=click.Choice(["stop", "never"]),
            default="stop",
            show_default=True,
            help="Whether a decision to stop ends with exit code 1.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


_history = _option(
    "--history",
    type=click.Choice(["auto", "on", "off"]),
    default="auto",
    show_default=True,
    help="Whether the decision is appended to the branch tidegate-history; auto: on GitHub's default branch.",
)


def _invocation(command: str, common: dict[str, Any]) -> "Invocation":
    from tidegate.commands.base import Common, Invocation

    return Invocation(command, Common(**common))


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="tidegate")
def cli() -> None:
    """Gates, comparisons, drift reports and retraining for models kept in a repository."""


@cli.command("evaluate-gate")
@_option("--predictions", metavar="FILE", help="The candidate's predictions table.")
@_common
@_history
def evaluate_gate(predictions: str | None, **common: Any) -> int:
    """Judge a candidate against the thresholds of the config."""
    from tidegate.commands import evaluate_gate as command

    return command.run(_invocation("evaluate-gate", common), predictions)


@cli.command("compare-to-prod")
@_option(
    "--candidate", multiple=True, type=_Lines(), metavar="[NAME=]FILE", help="A candidate's predictions."
)
@_option("--production", metavar="FILE", help="Production's predictions of the same rows.")
@_option(
    "--reference",
    metavar="FILE",
    help="Rows as production sees them: does the golden set still look like them?",
)
@_option("--first-release", is_flag=True, help="No model runs in production yet.")
@_common
@_history
def compare_to_prod(
    candidate: tuple[str, ...],
    production: str | None,
    reference: str | None,
    first_release: bool,
    **common: Any,
) -> int:
    """Decide whether a candidate beats production and hurts no slice."""
    from tidegate.commands import compare_to_prod as command

    return command.run(
        _invocation("compare-to-prod", common),
        command.Request(candidate, production, reference, first_release=first_release),
    )


@cli.command("drift-report")
@_option(
    "--reference", metavar="FILE", help="The window that things are compared with, or its profile (.json)."
)
@_option("--current", metavar="FILE", help="The window under watch.")
@_option(
    "--all", "every", is_flag=True, help="Every model whose config names `drift.current` and its reference."
)
@_option("--by-hand", is_flag=True, help="A person asks for a retrain: the trigger policy is passed by.")
@_option("--failed", metavar="TEXT", help="Record that the job failed, and why, in place of a report.")
@_common
@_history
def drift_report(
    reference: str | None, current: str | None, every: bool, by_hand: bool, failed: str | None, **common: Any
) -> int:
    """Compare the current window with the reference; decide whether to retrain."""
    from tidegate.commands import drift_all
    from tidegate.commands import drift_report as command

    invocation = _invocation("drift-report", common)
    request = command.Request(reference, current, by_hand=by_hand, failed=failed or None)
    return drift_all.run(invocation, request) if every else command.run(invocation, request)


@cli.command("profile")
@_option("--table", required=True, metavar="FILE", help="The reference window.")
@_option(
    "--output", type=click.Path(path_type=Path), metavar="FILE", help="[default: models/<model>/profile.json]"
)
@_option("--config", type=click.Path(path_type=Path), default=".github/tidegate.yml", show_default=True)
@_option("--model", metavar="NAME", help="Which model, when the config has several.")
def profile(table: str, output: Path | None, config: Path, model: str | None) -> int:
    """Write the reference profile: a small file that stands for the table of the reference window."""
    from tidegate.commands import profile as command
    from tidegate.commands.base import Common
    from tidegate.commands.context import Context

    common = Common(config, model, Path(), "none", comment=False, fail_on="never")
    return command.run(Context("profile", common), table, output)


@cli.command("backtest")
@_option("--history", metavar="FILE", help="A labelled table with times, to be cut into windows.")
@_option(
    "--windows",
    multiple=True,
    type=_Lines(),
    metavar="FILE",
    help="Or its windows, in order; a glob by name.",
)
@_option("--window", metavar="LENGTH", help="How long a window is, such as 7d.")
@_option("--onset", metavar="DATE", help="When the change began, where that is known.  [default: estimated]")
@_option(
    "--policies",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Further trigger policies: YAML of names, each with keys of `retrain:`.",
)
@_option(
    "--periodic",
    multiple=True,
    type=click.IntRange(min=1),
    metavar="K",
    help="Compare with retraining after every K windows too.",
)
@_option(
    "--first",
    type=click.IntRange(min=0),
    metavar="N",
    help="Windows before the first model serves.  [default: a quarter]",
)
@_option(
    "--train-last", metavar="LENGTH", help="How much of the history a model is trained on.  [default: all]"
)
@_option(
    "--predictions",
    multiple=True,
    type=_Lines(),
    metavar="DATE=FILE",
    help="In place of training: stored predictions (or their column) of a version trained on rows until then.",
)
@_option(
    "--max-retrains",
    type=click.IntRange(min=0),
    metavar="N",
    help="Models to train at most after the first.",
)
@_option("--thresholds/--no-thresholds", default=True, help="Try thresholds around those of the config.")
@_common
def backtest(
    history: str | None,
    windows: tuple[str, ...],
    predictions: tuple[str, ...],
    policies: Path | None,
    periodic: tuple[int, ...],
    **more: Any,
) -> int:
    """Replay a labelled history through trigger policies, and recommend one."""
    from tidegate.commands import backtest as command

    own = {
        name: more.pop(name)
        for name in ("window", "onset", "first", "train_last", "max_retrains", "thresholds")
    }
    request = command.Request(
        history=history,
        windows=windows,
        predictions=predictions,
        policies=policies,
        periodic=periodic,
        **own,
    )
    return command.run(_invocation("backtest", more), request)


@cli.command("open-retrain-pr")
@_option("--drift-report", metavar="FILE", help="The drift report (JSON) to act on.")
@_option("--reason", metavar="TEXT", help="Why, for a retraining that a person asked for.")
@_option("--reference", metavar="FILE", help="Training rows, when the config names no `retrain.data`.")
@_option("--current", metavar="FILE", help="Newer training rows, likewise.")
@_option(
    "--base", metavar="BRANCH", help="The branch to open the pull request against.  [default: the forge's]"
)
@_common
def open_retrain_pr(
    drift_report: str | None,
    reason: str | None,
    reference: str | None,
    current: str | None,
    base: str | None,
    **common: Any,
) -> int:
    """Train, and open or update the pull request that carries the new model and its evidence."""
    from tidegate.commands import open_retrain_pr as command

    return command.run(
        _invocation("open-retrain-pr", common),
        command.Request(
            drift_report=drift_report, reason=reason, reference=reference, current=current, base=base
        ),
    )


@cli.command("promote")
@_option(
    "--golden-predictions",
    metavar="FILE",
    help="The model's predictions on the golden set, to be stored with it.",
)
@_common
@_history
def promote(golden_predictions: str | None, **common: Any) -> int:
    """Make the model in the working tree the production version in the registry."""
    from tidegate.commands import promote as command

    return command.run(_invocation("promote", common), golden_predictions)


@cli.command("publish")
@_option("--reports", type=click.Path(path_type=Path), metavar="DIR", help="Folder with reports (JSON).")
@_common
def publish(reports: Path | None, **common: Any) -> int:
    """Post reports that another job has made as comments on the pull request."""
    from tidegate.commands import publish as command

    return command.run(_invocation("publish", common), reports)


@cli.command("plan")
@click.option(
    "--condition",
    required=True,
    help="'accuracy > c', 'n - o > c' (candidate minus production) or 'd < c' (share answered differently).",
)
@click.option("--reliability", type=float, default=0.99, show_default=True, help="Of all decisions together.")
@click.option("--epsilon", type=float, help="Tolerance, to learn how many rows it takes.")
@click.option("--rows", type=int, help="Rows at hand, to learn the tolerance.")
@click.option("--horizon", type=int, default=1, show_default=True, help="Decisions on the same rows.")
@click.option(
    "--adaptivity",
    type=click.Choice(["none", "full"]),
    default="none",
    show_default=True,
    help="Whether what is decided may depend on earlier decisions.",
)
@click.option("--disagreement", type=float, help="Share of rows that one of the two models alone has right.")
@click.option("--power", type=float, default=0.8, show_default=True, help="To find a lead that is there.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def plan(as_json: bool, **asked: Any) -> int:
    """Say how many rows a decision needs, or what the rows at hand can show."""
    from tidegate.commands import plan as command

    return command.run(command.Request(**asked), as_json=as_json)


@cli.command("validate")
@_option("--config", type=click.Path(path_type=Path), default=".github/tidegate.yml", show_default=True)
@click.option("--schema", is_flag=True, help="Print the JSON Schema of the config and stop.")
def validate(config: Path, schema: bool) -> int:
    """Check the config."""
    from tidegate.commands import validate as command

    return command.run(config, schema=schema)


@cli.command("demo")
@click.option("--output-dir", type=click.Path(path_type=Path), default="demo-out", show_default=True)
def demo(output_dir: Path) -> int:
    """Run the whole loop on the New York flights of 2013, on this machine, without a token."""
    from tidegate.demo import command

    return command.run(output_dir)


def main() -> None:
    """Run the command line; expected errors end in one message and their exit code."""
    # A cancelled job is told so by SIGTERM: what was started must be ended, and temporary folders removed.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A value from a table that the terminal cannot show is no reason to fail.
            stream.reconfigure(errors="backslashreplace")
    try:
        code: object = cli.main(standalone_mode=False)
    except TidegateError as error:
        _say(str(error))
        code = error.exit_code
    except click.ClickException as error:
        error.show()
        _annotate(error.format_message())
        code = 2
    except OSError as error:
        _say(f"{error.filename or 'a file'}: {error.strerror or error}")
        code = 2
    except (click.Abort, KeyboardInterrupt):
        _say("interrupted")
        code = 130
    except Exception:
        # Never the exit code of a decision.
        traceback.print_exc()
        _say("this is a defect of Tidegate: please report it with the lines above")
        code = DEFECT
    sys.exit(code if isinstance(code, int) else 0)


def _say(message: str) -> None:
    """One message on standard error and, inside a runner, as an annotation."""
    from tidegate.reports.escape import terminal_text

    for line in message.splitlines() or [""]:
        click.echo(f"tidegate: {terminal_text(line, limit=None)}", err=True)
    _annotate(message)


def _annotate(message: str) -> None:
    import os

    from tidegate.reports.escape import annotation

    if os.environ.get("GITHUB_ACTIONS") == "true":
        click.echo(f"::error title=Tidegate::{annotation(message)}")
