"""Every metric beside its peer: the largest difference over random and degenerate tables with fixed seeds.

Prints a Markdown table. Differences are absolute up to a value of 1 and relative beyond.
"""

import math
import sys
from collections import defaultdict
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "unit"))

from metric_peers import DEFINITION, MAKERS, PEERS, Peer, covered, fits, suite

from tidegate.metrics import METRICS
from tidegate.metrics.data import Groups, Predictions

SEEDS = 10


@dataclass
class Agreement:
    """How a metric and its peer agree over all cases."""

    cases: int = 0
    undefined: int = 0
    largest: float = 0.0
    apart: int = 0

    def add(self, ours: float | None, peer: float, within: float) -> None:
        """One more case; a value that only one of both has is a disagreement like any other."""
        self.cases += 1
        value = math.nan if ours is None else ours
        if math.isnan(value) and math.isnan(peer):
            self.undefined += 1
            return
        difference = abs(value - peer) / max(1.0, abs(peer))
        difference = math.inf if math.isnan(difference) else difference
        self.largest = max(self.largest, difference)
        self.apart += difference > within


def measure(peer: Peer, data: Predictions) -> float | None:
    """Tidegate's value."""
    (found,) = peer.metric.estimate(data, Groups.everything(data.rows), peer.settled, None)
    return found.value


def shown(source: str) -> str:
    """The peer with its version."""
    return source if source == DEFINITION else f"{source} {version(source)}"


def main() -> None:
    """Compare and print; exit 1 when a difference is more than rounding."""
    found: dict[tuple[str, str], Agreement] = defaultdict(Agreement)
    for task in MAKERS:
        for _, data in suite(task, seeds=SEEDS):
            for peer in PEERS:
                if fits(peer, data):
                    with np.errstate(all="ignore"):
                        ours, expected = measure(peer, data), peer.value(data)
                    found[peer.metric.name, peer.source].add(ours, expected, peer.within)
    print("| metric | peer | cases | of them without a value in both | largest difference |")
    print("| --- | --- | ---: | ---: | ---: |")
    for (name, source), one in found.items():
        print(f"| `{name}` | {shown(source)} | {one.cases} | {one.undefined} | {one.largest:.1e} |")
    missing, apart = sorted(set(METRICS) - covered()), sum(one.apart for one in found.values())
    total = sum(one.cases for one in found.values())
    print(
        f"\n{total:,} cases, {apart} apart by more than rounding. Metrics without a peer: {missing or 'none'}."
    )
    if apart or missing:
        sys.exit(1)


if __name__ == "__main__":
    main()
