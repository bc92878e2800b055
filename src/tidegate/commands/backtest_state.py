"""What an earlier run of the same backtest has left behind, so that a killed one goes on where it was.

Everything is kept by a digest of what it was made from, and moved into its place when it is whole: what is there can
be used, whoever made it.
"""

import json
import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from tidegate import __version__


class State:
    """A folder of results, each by what it was made from."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def windows(self) -> Path:
        """Of windows that were cut."""
        return self.folder / "windows"

    @property
    def models(self) -> Path:
        """Of models that were trained."""
        return self.folder / "models"

    @property
    def scored(self) -> Path:
        """Of windows with what a model answered."""
        return self.folder / "scored"

    def find(self, made_from: Mapping[str, Any]) -> dict[str, Any] | None:
        """What was kept, or nothing; what cannot be read is made again."""
        try:
            found = json.loads(self._place(made_from).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None

    def keep(self, made_from: Mapping[str, Any], made: Mapping[str, Any]) -> None:
        """Keep plain JSON."""
        place = self._place(made_from)
        place.parent.mkdir(parents=True, exist_ok=True)
        part = place.with_name(f"{os.getpid()}-{place.name}")
        part.write_text(json.dumps(made), encoding="utf-8")
        part.replace(place)

    def _place(self, made_from: Mapping[str, Any]) -> Path:
        return self.folder / "signals" / f"{digest(made_from)}.json"


def digest(made_from: Mapping[str, Any]) -> str:
    """Of what something is made from, and of the version that makes it."""
    text = json.dumps({**made_from, "tidegate": __version__}, sort_keys=True, default=str)
    return sha256(text.encode()).hexdigest()[:40]
