"""Copies files as actions/upload-artifact lays them out: below the least common ancestor of the patterns."""

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from glob import glob, has_magic
from pathlib import Path


def matches(pattern: str) -> Iterator[Path]:
    """The files of a pattern; a folder stands for all that it holds."""
    for found in map(Path, glob(pattern, recursive=True, include_hidden=True)):
        yield from (path for path in (found.rglob("*") if found.is_dir() else [found]) if path.is_file())


def fixed_part(pattern: str) -> Path:
    """The path of a pattern up to its first wildcard."""
    parts = Path(pattern).parts
    return Path(*parts[: next((i for i, part in enumerate(parts) if has_magic(part)), len(parts))])


def hidden(path: Path, workspace: Path) -> bool:
    """Whether a file, or a folder on the way to it, has a name with a leading dot."""
    return any(part.startswith(".") for part in path.relative_to(workspace).parts)


def main(environ: Mapping[str, str]) -> str | None:
    """Upload; the return value is an error message."""
    workspace = Path.cwd()
    lines = [line.strip() for line in environ["PATTERNS"].splitlines() if line.strip()]
    patterns = [str(workspace / line) for line in lines if not line.startswith("!")]
    unwanted = {
        path for line in lines if line.startswith("!") for path in matches(str(workspace / line[1:].strip()))
    }
    files = sorted({path for pattern in patterns for path in matches(pattern)} - unwanted)
    if environ["INCLUDE_HIDDEN_FILES"] != "true":
        files = [path for path in files if not hidden(path, workspace)]
    if not files:
        message = (
            f"No files were found with the provided path: {', '.join(lines)}. No artifacts will be uploaded."
        )
        if environ["IF_NO_FILES_FOUND"] == "warn":
            print(f"::warning::{message}")
        return message if environ["IF_NO_FILES_FOUND"] == "error" else None
    root = Path(os.path.commonpath([fixed_part(pattern) for pattern in patterns]))
    root = root.parent if root.is_file() else root
    target = Path(environ["STAND_IN_ARTIFACTS"]) / environ["NAME"]
    if target.exists():
        if environ["OVERWRITE"] != "true":
            return f"(409) Conflict: an artifact named {environ['NAME']} already exists on the workflow run"
        shutil.rmtree(target)
    for path in files:
        copy = target / path.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    print(f"Artifact {environ['NAME']} has {len(files)} files")
    return None


if __name__ == "__main__":
    sys.exit(main(os.environ))
