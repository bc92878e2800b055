"""Checks requests and responses against GitHub's own OpenAPI description."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import jsonschema_rs

DESCRIPTION = Path(__file__).parents[1] / "data" / "github-api" / "github-rest-openapi.json"

# What GitHub documents once for its whole API and not again for each operation.
EVERYWHERE = frozenset({401, 403, 404, 422, 429, 500, 502, 503})
BASIC_ERROR = {"$ref": "#/components/schemas/basic-error"}


def _accept_bare_labels(body: Any) -> Any:
    # The prose of "Add labels to an issue" allows an array of names, as PyGithub sends; the schema does not.
    return {"labels": body} if isinstance(body, list) else body


# operationId -> how to read a request that GitHub accepts and its schema does not.
REQUEST_EXCEPTIONS = {"issues/add-labels": _accept_bare_labels}

# Fields that GitHub fills with null against its own schema, as paths below `components/schemas`.
NULL_AFTER_ALL = [
    # A label without description: the schema `label` says so, this copy of it forgot.
    ("pull-request-simple", "properties", "labels", "items", "properties", "description"),
]

# Requests that GitHub answers without describing them -> the operation that they are another spelling of.
# PyGithub lists statuses by the oldest spelling.
ALIASES = {
    ("GET", "/repos/{owner}/{repo}/statuses/{ref}"): ("GET", "/repos/{owner}/{repo}/commits/{ref}/statuses"),
}


def _json_schema(node: Any) -> Any:
    """Turn the schema dialect of OpenAPI 3.0 into JSON Schema, where `nullable` does not exist."""
    if isinstance(node, list):
        return [_json_schema(item) for item in node]
    if not isinstance(node, dict):
        return node
    schema = {key: _json_schema(value) for key, value in node.items() if key != "nullable"}
    return {"anyOf": [schema, {"type": "null"}]} if node.get("nullable") is True else schema


@cache
def _description() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(DESCRIPTION.read_text(encoding="utf-8"))
    for schema, *steps, name in NULL_AFTER_ALL:
        node = document["components"]["schemas"][schema]
        for step in steps:
            node = node[step]
        node[name]["nullable"] = True
    converted: dict[str, Any] = _json_schema(document)
    return converted


@dataclass(frozen=True)
class Parameter:
    """A documented path or query parameter."""

    name: str
    place: str
    required: bool
    schema: Mapping[str, Any]

    def errors(self, text: str) -> Iterator[str]:
        """What is wrong with a value, which in a URL is always text."""
        number = self.schema.get("type") == "integer" and re.fullmatch(r"-?\d+", text)
        for error in _validator(json.dumps(self.schema)).iter_errors(int(text) if number else text):
            yield f"{self.place} parameter {self.name}: {error.message}"


@dataclass(frozen=True)
class Operation:
    """One documented operation; its validators are built when first needed."""

    method: str
    path: str
    definition: Mapping[str, Any]

    @property
    def id(self) -> str:
        """GitHub's name of the operation, as in "pulls/create"."""
        return str(self.definition["operationId"])

    @cached_property
    def parameters(self) -> dict[tuple[str, str], Parameter]:
        """Documented parameters by (place, name)."""
        documented = (_resolved(part) for part in self.definition.get("parameters", ()))
        return {
            (part["in"], part["name"]): Parameter(
                part["name"], part["in"], part.get("required", False), part["schema"]
            )
            for part in documented
        }

    def request_errors(self, path: Mapping[str, str], query: Mapping[str, str], body: Any) -> Iterator[str]:
        """What GitHub would not accept, or would silently ignore, in a request. No body is None."""
        given = {("path", name): value for name, value in path.items()}
        given |= {("query", name): value for name, value in query.items()}
        for place, name in given.keys() - self.parameters.keys():
            yield f"undocumented {place} parameter {name}"
        for key, parameter in self.parameters.items():
            if key in given:
                yield from parameter.errors(given[key])
            elif parameter.required:
                yield f"missing {parameter.place} parameter {parameter.name}"
        yield from self._body_errors(body)

    def _body_errors(self, body: Any) -> Iterator[str]:
        documented = self.definition.get("requestBody")
        if documented is None:
            if body is not None:
                yield "a body that the operation does not take"
            return
        if body is None:
            if documented.get("required"):
                yield "the body is missing"
            return
        body = REQUEST_EXCEPTIONS.get(self.id, lambda same: same)(body)
        schema = documented["content"]["application/json"]["schema"]
        for error in _validator(json.dumps(schema)).iter_errors(body):
            yield f"request body at {_place(error)}: {error.message}"
        if properties := schema.get("properties"):
            for name in body.keys() - properties.keys() if isinstance(body, dict) else ():
                yield f"request body: undocumented property {name!r}"

    def response_errors(self, status: int, body: Any) -> Iterator[str]:
        """How a response departs from the description. No body is None."""
        responses = self.definition["responses"]
        if str(status) not in responses and status not in EVERYWHERE:
            yield f"undocumented response status {status}"
            return
        documented = _resolved(
            responses.get(str(status), {"content": {"application/json": {"schema": BASIC_ERROR}}})
        )
        content = documented.get("content", {}).get("application/json")
        if content is None or body is None:
            if (content is None) != (body is None):
                yield f"response {status}: a body where none is documented, or none where one is"
            return
        for error in _validator(json.dumps(content["schema"])).iter_errors(body):
            yield f"response {status} at {_place(error)}: {error.message}"


def _resolved(node: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow a reference to a component."""
    while "$ref" in node:
        _, _, section, name = node["$ref"].split("/", 3)
        node = _description()["components"][section][name]
    return node


def _place(error: jsonschema_rs.ValidationError) -> str:
    return "/" + "/".join(map(str, error.instance_path))


@cache
def _validator(schema: str) -> jsonschema_rs.Draft202012Validator:
    components = {"schemas": _description()["components"]["schemas"]}
    return jsonschema_rs.Draft202012Validator(
        json.loads(schema) | {"components": components}, validate_formats=True
    )


@cache
def operations() -> dict[tuple[str, str], Operation]:
    """All operations by (method, path template)."""
    documented = {
        (method.upper(), path): Operation(method.upper(), path, definition)
        for path, item in _description()["paths"].items()
        for method, definition in item.items()
    }
    return documented | {alias: documented[described] for alias, described in ALIASES.items()}
