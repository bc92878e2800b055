"""Reading ``.github/tidegate.yml``: YAML to typed models, with errors that name the line and the nearest key."""

import hashlib
import types
import typing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, Tag, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from tidegate.config import Config, Model
from tidegate.config.spelling import key_instead
from tidegate.errors import ConfigError
from tidegate.suggest import did_you_mean

MAX_BYTES = 1_000_000


def _make_loader() -> type[yaml.SafeLoader]:
    """YAML in which NO stays text: of YAML 1.1's words for truth only true and false count, and no text is a date."""
    base: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    resolvers = {
        first: [
            (tag, pattern)
            for tag, pattern in known
            if not tag.endswith(":timestamp") and (first in "tTfF" or not tag.endswith(":bool"))
        ]
        for first, known in base.yaml_implicit_resolvers.items()
    }
    return type("_Loader", (base,), {"yaml_implicit_resolvers": resolvers})


_Loader = _make_loader()


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """A configuration with the fingerprint of the bytes it came from."""

    config: Config
    path: Path
    sha256: str

    def model(self, name: str | None) -> tuple[str, Model]:
        """The model called `name`, or the only one.

        Raises:
            ConfigError: no such model, or several and no name.
        """
        models = self.config.models
        if name is None:
            if len(models) > 1:
                raise ConfigError(
                    f"{self.path} has {len(models)} models ({', '.join(models)}): choose one with --model NAME"
                )
            return next(iter(models.items()))
        if name not in models:
            raise ConfigError(f"{self.path} has no model {name!r}.{did_you_mean(name, models)}")
        return name, models[name]


def load_config(path: Path) -> LoadedConfig:
    """Read and check the configuration.

    Raises:
        ConfigError: the file is missing, is no YAML, or does not fit; the message names line, key and mend.
    """
    raw = read_bytes(path, "write one (see README, 'Configure'), or pass --config PATH")
    return LoadedConfig(parse_config(raw, str(path)), path, hashlib.sha256(raw).hexdigest())


def read_bytes(path: Path, mend: str) -> bytes:
    """The bytes of a file of settings; `mend` says what to do when it does not exist.

    Raises:
        ConfigError: it is missing, cannot be read, or is too large.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist: {mend}") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"{path} has {len(raw):,} bytes; a configuration of over {MAX_BYTES:,} is refused")
    return raw


def parse_config(raw: bytes, name: str) -> Config:
    """Check the bytes of a configuration file; `name` stands in messages.

    Raises:
        ConfigError: as :func:`load_config`.
    """
    found: Config = parse_settings(raw, name, Config, needs="at least `version: 1` and `models:`")
    return found


def parse_settings(raw: bytes, name: str, shape: Any, *, needs: str) -> Any:
    """Check the bytes of a file of settings against a shape that pydantic knows; `needs` is what an empty one lacks.

    Raises:
        ConfigError: as :func:`load_config`.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name} is not UTF-8 (byte {error.start}): save it as UTF-8") from None
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            raise ConfigError(f"{name} is empty: it needs {needs}")
        _refuse_repeated_keys(node, name)
        data = loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}" if mark else name
        raise ConfigError(f"{where}: not valid YAML: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{name}: not valid YAML: {error}") from None
    except ValueError as error:
        # A value that its own tag does not fit, such as `!!int x`; PyYAML lets Python's error through.
        raise ConfigError(f"{name}: not valid YAML: {error}") from None
    finally:
        loader.dispose()
    try:
        return TypeAdapter(shape).validate_python(data)
    except ValidationError as error:
        raise ConfigError("\n".join(_describe(error, node, name, shape))) from None


def _refuse_repeated_keys(root: yaml.Node, name: str) -> None:
    """YAML keeps the last of two equal keys in silence; a threshold could vanish that way."""
    seen: set[int] = set()
    stack = [root]
    while stack:
        node = stack.pop()
        if id(node) in seen:
            raise ConfigError(
                f"{name}:{node.start_mark.line + 1}: anchors and aliases are not supported here"
            )
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            stack += node.value
        elif isinstance(node, yaml.MappingNode):
            lines: dict[str, int] = {}
            for key, value in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    raise ConfigError(
                        f"{name}:{key.start_mark.line + 1}: a key must be plain text; put a value that starts with"
                        " {{ or [ in quotes"
                    )
                if key.value in lines:
                    raise ConfigError(
                        f"{name}:{key.start_mark.line + 1}: key {key.value!r} stands twice"
                        f" (first in line {lines[key.value]}): remove one"
                    )
                lines[key.value] = key.start_mark.line + 1
                stack.append(value)


def _describe(error: ValidationError, node: yaml.Node, name: str, shape: Any) -> Iterator[str]:
    # A union reports every branch that did not fit; the deepest path of a line tells the most.
    best: dict[int, tuple[int, str]] = {}
    for item in error.errors(include_url=False):
        path, line, depth = _locate(node, item["loc"])
        message = _message(item, shape)
        if line not in best or depth > best[line][0]:
            best[line] = (depth, f"{name}:{line}: {'.'.join(map(str, path)) or 'file'}: {message}")
    for line in sorted(best):
        yield best[line][1]


def _locate(node: yaml.Node, location: Sequence[int | str]) -> tuple[list[int | str], int, int]:
    """Walk `location` down the YAML tree; parts that name pydantic's own branches are not in it and are left out."""
    path: list[int | str] = []
    line = node.start_mark.line + 1
    for part in location:
        if isinstance(node, yaml.MappingNode):
            match = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if match is None:
                continue
            line, node = match[0].start_mark.line + 1, match[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            continue
        path.append(part)
    return path, line, len(path)


def _message(item: Any, shape: Any) -> str:
    match item["type"]:
        case "extra_forbidden":
            accepted = _keys_at(shape, list(item["loc"])[:-1])
            instead = key_instead(item["loc"][-1], accepted)
            return (
                f"unknown key.{f' Write {instead}.' if instead else did_you_mean(item['loc'][-1], accepted)}"
            )
        case "missing":
            return f"the key {item['loc'][-1]!r} is missing"
        case "value_error":
            return str(item["ctx"]["error"])
        case "literal_error" | "enum":
            return f"{item['input']!r} is not accepted here: use {item['ctx']['expected']}"
        case "model_type" | "model_attributes_type" | "dict_type":
            return f"keys with values belong here, such as {{key: value}} (found {_short(item['input'])})"
        case _:
            return f"{item['msg'][0].lower()}{item['msg'][1:]} (found {_short(item['input'])})"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _keys_at(model: Any, path: list[int | str]) -> set[str]:
    """The keys that the model at `path`, a place as pydantic tells it, accepts; for suggestions."""
    if isinstance(model, type) and issubclass(model, BaseModel):
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        if not path:
            return set(fields)
        return _keys_at(_annotated(fields[str(path[0])]), path[1:]) if str(path[0]) in fields else set()
    origin, arguments = typing.get_origin(model), typing.get_args(model)
    if origin in (list, dict) and path:
        return _keys_at(arguments[-1], path[1:])
    if origin is typing.Annotated:
        tag = next((each.tag for each in arguments[1:] if isinstance(each, Tag)), None)
        if tag is None:
            return _keys_at(arguments[0], path)
        return _keys_at(arguments[0], path[1:]) if path and path[0] == tag else set()
    if origin in (typing.Union, types.UnionType):
        # Where pydantic tries one after the other, it names the one in the path.
        return set().union(*(_keys_at(each, path) or _keys_at(each, path[1:]) for each in arguments))
    return set()


def _annotated(field: FieldInfo) -> Any:
    return typing.Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
