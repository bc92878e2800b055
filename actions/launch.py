"""Runs Tidegate from this checkout, in an interpreter that ignores the environment's Python settings."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from tidegate.cli import main

if __name__ == "__main__":
    main()
