"""``validate``: check the configuration, or print the JSON Schema that editors complete it by."""

import json
from pathlib import Path

from tidegate.config import json_schema
from tidegate.loading import load_config
from tidegate.wording import plural


def run(config: Path, *, schema: bool) -> int:
    """Check or print; returns the exit code."""
    if schema:
        print(json.dumps(json_schema(), indent=2))
        return 0
    loaded = load_config(config)
    print(
        f"{config} is valid: {plural(len(loaded.config.models), 'model')} ({', '.join(loaded.config.models)})"
    )
    return 0
