"""Whether a pull request changes what judges it: the golden set, or its part of the configuration."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tidegate.commands.base import Invocation
from tidegate.commands.gate_inputs import golden_changed
from tidegate.config import Config, Model
from tidegate.errors import ConfigError, TidegateError
from tidegate.loading import parse_config
from tidegate.wording import first_few

_JUDGES = ("task", "columns", "golden", "recent", "compare")
_LONGEST = 60
_ABSENT = object()


def own_judge(invocation: Invocation) -> list[str]:
    """Sentences about what a pull request changes of its own judge; elsewhere none. They are for the reviewer alone."""
    if invocation.actions.base_sha is None:
        return []
    told = list(_configured(invocation))
    if invocation.model.sanity.golden_changed != "off" and golden_changed(invocation):
        told.append(
            f"this pull request changes the golden set {invocation.model.golden} together with the model: what judges"
            " it moves with it"
        )
    return told


def _configured(invocation: Invocation) -> Iterator[str]:
    try:
        before = _before(invocation)
    except TidegateError as error:
        why = str(error).partition("\n")[0]
        yield f"whether this pull request changes what judges it cannot be told: its base: {why}"
        return
    if before is None:
        yield (
            f"the base of this pull request has no {invocation.common.config} with model {invocation.model_name!r}:"
            " what judges it comes with it"
        )
        return
    now = _judging(invocation.loaded.config, invocation.model)
    for part in _JUDGES:
        changed = [_shown(key, *values) for key, values in _differences(before[part], now[part])]
        if changed:
            yield f"this pull request changes `{part}:` ({first_few(changed)}): what judges it moves with it"


def _before(invocation: Invocation) -> Mapping[str, Any] | None:
    """What judges the model on the base; None where it has no such model.

    Raises:
        ConfigError: the configuration there does not parse, or is not in the repository here.
        RepositoryError: the base cannot be read.
    """
    repository, base = invocation.repository, invocation.base_commit
    path, top = invocation.common.config.resolve(), Path.cwd().resolve()
    if not path.is_relative_to(top):
        raise ConfigError(f"{invocation.common.config} is not in the repository")
    raw = repository.read(base, path.relative_to(top).as_posix())
    config = None if raw is None else parse_config(raw, str(invocation.common.config))
    model = None if config is None else config.models.get(invocation.model_name)
    return None if config is None or model is None else _judging(config, model)


def _judging(config: Config, model: Model) -> dict[str, Any]:
    """The parts of a configuration that judge a model, defaults included; of named sources where they are."""
    found = model.model_dump(mode="json", include=set(_JUDGES), by_alias=True)
    named = {part: config.sources.get(str(found[part])) for part in ("golden", "recent")}
    return {**found, **{part: source.path for part, source in named.items() if source is not None}}


def _differences(before: Any, now: Any, place: str = "") -> Iterator[tuple[str, tuple[Any, Any]]]:
    """Where two values differ, by dotted keys, as deep as both have the same shape there."""
    if isinstance(before, list) and isinstance(now, list):
        before, now = dict(enumerate(before)), dict(enumerate(now))
    if not (isinstance(before, dict) and isinstance(now, dict)):
        if before != now:
            yield place, (before, now)
        return
    for key in dict.fromkeys((*before, *now)):
        inner = f"{place}.{key}" if place else str(key)
        yield from _differences(before.get(key, _ABSENT), now.get(key, _ABSENT), inner)


def _shown(key: str, before: Any, now: Any) -> str:
    """``guardrails.0.margin 0.01 -> 0.5``."""
    return f"{key} {_short(before)} -> {_short(now)}".lstrip()


def _short(value: Any) -> str:
    if value is None or value is _ABSENT:
        return "none"
    if isinstance(value, dict):
        value = {key: each for key, each in value.items() if each not in (None, [], {})}
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
