"""The five action.yml files, their READMEs and the command line promise the same things."""

import re
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from tidegate.cli import cli
from tidegate.loading import parse_config

ROOT = Path(__file__).resolve().parents[2]
ACTIONS = ["evaluate-gate", "compare-to-prod", "drift-report", "open-retrain-pr"]
COMMANDS_OF_ROOT = [*ACTIONS, "promote", "publish"]
REPORTS = {"decision", "json", "html", "markdown", "audit", "audit-sha256"}
APPROVAL = {"approval"}
MANY = {"matrix", "models"}
PULL_REQUEST = {"pull-request-number", "pull-request-url", "branch"}


def folder(action: str) -> Path:
    return ROOT if action == "root" else ROOT / "actions" / action


def metadata(action: str) -> dict[str, Any]:
    return yaml.safe_load((folder(action) / "action.yml").read_text(encoding="utf-8"))


def readme(action: str) -> str:
    return (folder(action) / "README.md").read_text(encoding="utf-8")


def variable(name: str) -> str:
    return "TIDEGATE_" + name.upper().replace("-", "_")


def options(command: str) -> dict[str, click.Option]:
    found = cli.get_command(click.Context(cli), command)
    assert found is not None, f"the command line has no {command}"
    return {
        option.opts[0].removeprefix("--"): option
        for option in found.params
        if isinstance(option, click.Option) and not option.is_eager
    }


def written(option: click.Option) -> str:
    """The default of an option as an action's author writes it."""
    if option.is_flag:
        return "true" if option.default is True else "false"
    return str(option.default) if isinstance(option.default, str | Path) else ""


@pytest.mark.parametrize("action", ACTIONS)
def test_inputs_are_the_options_of_the_command(action):
    assert set(metadata(action)["inputs"]) == {*options(action), "token"}


def test_root_inputs_are_the_options_of_all_commands():
    union = set().union(*(options(command) for command in COMMANDS_OF_ROOT))
    assert set(metadata("root")["inputs"]) == {*union, "token", "command"}


@pytest.mark.parametrize("command", COMMANDS_OF_ROOT)
def test_every_option_reads_the_variable_of_its_input(command):
    variables = {name: option.envvar for name, option in options(command).items()}
    assert variables == {name: variable(name) for name in variables}


@pytest.mark.parametrize("command", COMMANDS_OF_ROOT)
def test_the_token_is_no_option(command):
    assert "token" not in options(command)


@pytest.mark.parametrize("action", ACTIONS)
def test_defaults_are_those_of_the_command(action):
    inputs = metadata(action)["inputs"]
    of_action = {name: inputs[name].get("default", "") for name in options(action)}
    assert of_action == {name: written(option) for name, option in options(action).items()}


@pytest.mark.parametrize("action", ACTIONS)
def test_defaults_of_root_are_those_of_the_action(action):
    of_root = metadata("root")["inputs"]
    for name, of_action in metadata(action)["inputs"].items():
        assert of_root[name]["default"] == of_action["default"], name


@pytest.mark.parametrize("action", [*ACTIONS, "root"])
def test_every_input_reaches_the_command_through_its_variable_only(action):
    definition = metadata(action)
    (step,) = definition["runs"]["steps"]
    assert step["env"] == {variable(name): f"${{{{ inputs.{name} }}}}" for name in definition["inputs"]}
    assert "${{" not in step["run"]
    assert step["shell"] == "bash"


@pytest.mark.parametrize("action", ACTIONS)
def test_each_action_runs_its_own_command(action):
    (step,) = metadata(action)["runs"]["steps"]
    assert step["run"] == f'bash "$GITHUB_ACTION_PATH/../run.sh" {action}'
    assert (ROOT / "actions" / "run.sh").is_file()


def test_the_runner_accepts_exactly_the_commands_that_actions_offer():
    script = (ROOT / "actions" / "run.sh").read_text(encoding="utf-8")
    (accepted,) = re.findall(r"^ +([a-z |-]+)\) ;;$", script, flags=re.MULTILINE)
    assert accepted.split(" | ") == COMMANDS_OF_ROOT


@pytest.mark.parametrize("action", [*ACTIONS, "root"])
def test_outputs_come_from_the_step(action):
    outputs = metadata(action)["outputs"]
    of_its_own = {"open-retrain-pr": PULL_REQUEST, "evaluate-gate": APPROVAL, "drift-report": MANY}
    of_its_own["root"] = PULL_REQUEST | APPROVAL | MANY
    expected = REPORTS | of_its_own.get(action, set())
    assert set(outputs) == expected
    assert {name: output["value"] for name, output in outputs.items()} == {
        name: f"${{{{ steps.tidegate.outputs.{name} }}}}" for name in expected
    }


@pytest.mark.parametrize("action", [*ACTIONS, "root"])
def test_no_action_uses_another_action(action):
    assert not any("uses" in step for step in metadata(action)["runs"]["steps"])


@pytest.mark.parametrize("action", ACTIONS)
def test_readme_describes_every_input_with_its_default(action):
    described = dict(re.findall(r"^### `([\w-]+)`\n\n\*Default\*: (.+)$", readme(action), flags=re.MULTILINE))
    inputs = metadata(action)["inputs"]
    assert described == {
        name: f"`{field['default']}`" if field["default"] else "none" for name, field in inputs.items()
    }


@pytest.mark.parametrize("action", ACTIONS)
def test_readme_describes_every_output(action):
    section = readme(action).split("\n## Outputs\n")[1].split("\n## ")[0]
    assert set(re.findall(r"^\| `([\w-]+)` \|", section, flags=re.MULTILINE)) == set(
        metadata(action)["outputs"]
    )


@pytest.mark.parametrize("action", ACTIONS)
def test_readme_describes_every_exit_code(action):
    section = readme(action).split("\n## Exit codes\n")[1].split("\n## ")[0]
    assert re.findall(r"^\| (\d) \|", section, flags=re.MULTILINE) == ["0", "1", "2", "3"]


@pytest.mark.parametrize("action", ACTIONS)
def test_configurations_in_the_readme_are_valid(action):
    examples = re.findall(r"```yaml\n(version:.*?)```", readme(action), flags=re.DOTALL)
    assert examples
    for text in examples:
        assert parse_config(text.encode(), f"{action}/README.md").models
