"""Cut GitHub's OpenAPI description down to the operations that Tidegate uses.

    python slice.py api.github.com.json github-rest-openapi.json

The input is ``generated/api.github.com.json`` of the npm package ``@octokit/openapi``. Prose and examples go,
everything that constrains a request or a response stays, and references stay references.
"""

import json
import sys
from pathlib import Path
from typing import Any

OPERATIONS = frozenset(
    [
        "actions/create-workflow-dispatch",
        "actions/get-workflow",
        "git/get-ref",
        "git/list-matching-refs",
        "issues/add-labels",
        "issues/create-comment",
        "issues/create-label",
        "issues/get",
        "issues/get-comment",
        "issues/get-label",
        "issues/list-comments",
        "issues/list-labels-on-issue",
        "issues/update-comment",
        "pulls/create",
        "pulls/get",
        "pulls/list",
        "pulls/merge",
        "pulls/update",
        "repos/create-commit-status",
        "repos/get",
        "repos/get-branch",
        "repos/get-combined-status-for-ref",
        "repos/get-commit",
        "repos/list-commit-statuses-for-ref",
        "repos/list-pull-requests-associated-with-commit",
        "users/get-authenticated",
    ]
)
PROSE = frozenset(
    [
        "description",
        "summary",
        "example",
        "examples",
        "externalDocs",
        "tags",
        "title",
        "x-github",
        "x-github-plan",
        "x-octokit",
    ]
)


def without_prose(node: Any, *, names: bool = False) -> Any:
    """Drop prose keywords; under `properties` (and other maps of names) such a key is a name and stays."""
    if isinstance(node, list):
        return [without_prose(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: without_prose(
            value, names=not names and key in ("properties", "schemas", "parameters", "headers")
        )
        for key, value in node.items()
        if names or key not in PROSE
    }


def references(node: Any) -> set[tuple[str, str]]:
    """Every component that a part of the document points to, as (section, name)."""
    if isinstance(node, list):
        return set().union(*map(references, node))
    if not isinstance(node, dict):
        return set()
    found = set().union(*map(references, node.values()))
    if isinstance(node.get("$ref"), str):
        _, _, section, name = node["$ref"].split("/", 3)
        found.add((section, name))
    return found


def cut(document: dict[str, Any]) -> dict[str, Any]:
    """The document with our operations and the components they need, nothing else."""
    paths = {
        path: kept
        for path, item in document["paths"].items()
        if (
            kept := {
                method: operation
                for method, operation in item.items()
                if isinstance(operation, dict) and operation.get("operationId") in OPERATIONS
            }
        )
    }
    paths = without_prose(paths, names=True)
    components: dict[str, dict[str, Any]] = {}
    pending = references(paths)
    while pending:
        section, name = pending.pop()
        if name not in components.setdefault(section, {}):
            part = without_prose(document["components"][section][name])
            components[section][name] = part
            pending |= references(part)
    ordered = {section: dict(sorted(parts.items())) for section, parts in sorted(components.items())}
    return {"openapi": document["openapi"], "info": document["info"], "paths": paths, "components": ordered}


def main(source: str, target: str) -> None:
    """Read the full description, write the slice."""
    document = cut(json.loads(Path(source).read_text(encoding="utf-8")))
    found = {operation["operationId"] for item in document["paths"].values() for operation in item.values()}
    if missing := OPERATIONS - found:
        sys.exit(f"not in the description: {', '.join(sorted(missing))}")
    Path(target).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
