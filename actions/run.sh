#!/usr/bin/env bash
# Runs one command of Tidegate, from the very commit that `uses:` named. Options arrive as TIDEGATE_* variables.
set -euo pipefail

command="$1"
actions="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"

case "$command" in
  evaluate-gate | compare-to-prod | drift-report | open-retrain-pr | promote | publish) ;;
  *)
    echo "::error::Unknown command for Tidegate. Use one of evaluate-gate, compare-to-prod, drift-report, open-retrain-pr, promote, publish." >&2
    exit 2
    ;;
esac

python="$(bash "$actions/install.sh")"

# Isolated mode keeps the user's PYTHONPATH out of Tidegate without taking it away from the user's own commands.
exec "$python" -I -X utf8 "$actions/launch.py" "$command"
