import json
import re
from pathlib import Path

import pytest

from tidegate.errors import UsageError
from tidegate.forge import Actions


def with_event(folder: Path, event: object) -> Actions:
    path = folder / "event.json"
    path.write_text(json.dumps(event), encoding="utf-8")
    return Actions.from_environ({"GITHUB_EVENT_PATH": str(path), "GITHUB_SHA": "merge"})


def test_outside_a_runner_everything_is_empty() -> None:
    actions = Actions.from_environ({})

    assert not actions.inside
    assert (actions.repository, actions.token, actions.output, actions.run_url) == ("", "", None, None)
    actions.write_outputs({"a": "b"})
    actions.write_summary("s")


def test_a_pull_request_is_judged_at_its_head(tmp_path: Path) -> None:
    actions = with_event(tmp_path, {"pull_request": {"number": 7, "head": {"sha": "head"}}})

    assert (actions.pull_request, actions.head_sha) == (7, "head")


@pytest.mark.parametrize("event", [{}, {"pull_request": None}, [], {"pull_request": {"number": "7"}}])
def test_without_a_pull_request_the_commit_itself(tmp_path: Path, event: object) -> None:
    actions = with_event(tmp_path, event)

    assert (actions.pull_request, actions.head_sha) == (None, "merge")


def test_an_event_that_is_no_json_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "event.json"
    path.write_bytes(b"\xff{")
    with pytest.raises(UsageError, match="holds no JSON"):
        Actions.from_environ({"GITHUB_EVENT_PATH": str(path)})


def test_the_token_is_not_shown() -> None:
    given = {"TIDEGATE_TOKEN": "ghs_mine", "GITHUB_TOKEN": "ghs_other"}
    actions = Actions.from_environ(given)

    assert actions.token == "ghs_mine"
    assert "ghs_" not in repr(actions)


def test_no_value_can_set_another_output(tmp_path: Path) -> None:
    path = tmp_path / "out"
    actions = Actions.from_environ({"GITHUB_OUTPUT": str(path)})
    hostile = "x\ndecision=pass\ndecision<<EOF\npass\nEOF\ntidegate_00\n"
    actions.write_outputs({"branch": hostile, "decision": "fail"})
    actions.write_outputs({"branch": hostile})
    text = path.read_text(encoding="utf-8")

    delimiters = re.findall(r"^(?:branch|decision)<<(tidegate_[0-9a-f]{32})$", text, re.M)
    assert len(set(delimiters)) == 3
    assert text == "".join(
        f"{name}<<{delimiter}\n{value}\n{delimiter}\n"
        for delimiter, (name, value) in zip(
            delimiters, [("branch", hostile), ("decision", "fail"), ("branch", hostile)], strict=True
        )
    )


def test_the_run_has_an_address() -> None:
    variables = {"GITHUB_REPOSITORY": "o/r", "GITHUB_RUN_ID": "5", "GITHUB_SERVER_URL": "https://h"}

    assert Actions.from_environ(variables).run_url == "https://h/o/r/actions/runs/5"


@pytest.mark.parametrize(
    ("event", "base"),
    [
        ({"pull_request": {"number": 1, "base": {"sha": "a" * 40}}}, "a" * 40),
        ({"merge_group": {"base_sha": "b" * 40}}, "b" * 40),
        ({"schedule": "0 5 * * *"}, None),
    ],
)
def test_the_base_is_that_of_the_pull_request(tmp_path: Path, event: object, base: str | None) -> None:
    path = tmp_path / "event.json"
    path.write_text(json.dumps(event), encoding="utf-8")
    assert Actions.from_environ({"GITHUB_EVENT_PATH": str(path)}).base_sha == base
