"""Windows with known labels for the benchmark of estimates: the same rows in every tool's environment, from a seed.

Imports nothing of the project, and of what the environments share numpy, scipy and, for what labels show, scikit-learn.
"""

from dataclasses import dataclass
from zlib import crc32

import numpy as np

FEATURES = 5
SHIFT = 0.7
BINARY = ("roc_auc", "accuracy", "f1")
REGRESSION = ("mean_absolute_error", "root_mean_squared_error")
KINDS = {
    "nothing": "nothing changes",
    "seen": "features move, and with them the answers",
    "hidden": "a feature moves that the model leaves out",
    "concept": "labels change their relation to features",
}


@dataclass(frozen=True)
class Labelled:
    """Rows of a window.

    Attributes:
        features: shape (n, FEATURES).
        answer: score of a binary model, or prediction of a regression, shape (n,).
        label: shape (n,).
    """

    features: np.ndarray
    answer: np.ndarray
    label: np.ndarray


@dataclass(frozen=True)
class Case:
    """What is drawn.

    Attributes:
        task: ``binary`` or ``regression``.
        kind: of :data:`KINDS`.
        rows: of the current window.
        reference_rows: all of them with labels.
    """

    task: str
    kind: str
    rows: int
    reference_rows: int

    def draw(self, run: int) -> tuple[Labelled, Labelled]:
        """Reference and current window of one run."""
        seed = [crc32(f"{self.task} {self.kind}".encode()), self.rows, self.reference_rows, run]
        rng = np.random.default_rng(seed)
        window = _binary if self.task == "binary" else _regression
        return window(rng, self.reference_rows, "nothing"), window(rng, self.rows, self.kind)


def _features(rng: np.random.Generator, n: int, kind: str) -> np.ndarray:
    x = rng.standard_normal((n, FEATURES))
    moved = {"seen": 0, "hidden": 2}.get(kind)
    if moved is not None:
        x[:, moved] += SHIFT
    return x


def _binary(rng: np.random.Generator, n: int, kind: str) -> Labelled:
    """A score that is too sure of itself, and leaves the third feature out."""
    from scipy.special import expit

    x = _features(rng, n, kind)
    known = -0.5 + 1.2 * x[:, 0] - 0.8 * x[:, 1]
    turned = known + (-0.8 * x[:, 0] if kind == "concept" else 0.0)
    label = rng.random(n) < expit(turned + 0.8 * x[:, 2])
    return Labelled(x, expit(0.3 + 1.6 * known), label.astype(np.int64))


def _regression(rng: np.random.Generator, n: int, kind: str) -> Labelled:
    """A prediction that leaves the third feature out; noise grows with the first and the third."""
    x = _features(rng, n, kind)
    answer = 2 * x[:, 0] - x[:, 1] + 0.5 * x[:, 3] ** 2
    noise = np.exp(-0.5 + 0.4 * x[:, 0] + 0.3 * x[:, 2])
    concept = 0.6 * x[:, 1] if kind == "concept" else 0.0
    return Labelled(x, answer, answer + concept + noise * rng.standard_normal(n))


def realised(task: str, window: Labelled) -> dict[str, float]:
    """What the labels of a window show, by scikit-learn."""
    from sklearn import metrics

    label, answer = window.label, window.answer
    if task == "regression":
        of = (metrics.mean_absolute_error, metrics.root_mean_squared_error)
        return {name: float(each(label, answer)) for name, each in zip(REGRESSION, of, strict=True)}
    said = answer >= 0.5
    return {
        "roc_auc": float(metrics.roc_auc_score(label, answer)),
        "accuracy": float(metrics.accuracy_score(label, said)),
        "f1": float(metrics.f1_score(label, said)),
    }
