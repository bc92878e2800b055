"""Windows of models whose labels are known, for tests of estimates that do not see them."""

from dataclasses import replace

import numpy as np
from scipy import special

from tidegate.metrics.data import Predictions
from tidegate.tables import Column

Features = dict[str, Column]


def features_of(x: np.ndarray) -> Features:
    return {f"x{j}": Column(f"x{j}", "number", x[:, j]) for j in range(x.shape[1])}


def binary(
    rng: np.random.Generator,
    rows: int,
    *,
    shift: float = 0.0,
    hidden_shift: float = 0.0,
    hidden: float = 0.0,
    base: float = -0.5,
    concept: float = 0.0,
) -> tuple[Predictions, Features]:
    """A score that is too sure of itself; `hidden` is the pull of a feature that the model does not know."""
    x = rng.normal(size=(rows, 3)) + np.array([shift, 0, hidden_shift])
    known = base + 1.2 * x[:, 0] - 0.8 * x[:, 1]
    chance = special.expit(known * (1 - concept) + hidden * x[:, 2])
    label = (rng.random(rows) < chance).astype(np.int8)
    score = special.expit(0.3 + 1.6 * known)
    data = Predictions(
        "binary",
        rows,
        ("0", "1"),
        label=label,
        score=score,
        prediction=(score >= 0.5).astype(np.int8),
    )
    return data, features_of(x)


def several(rng: np.random.Generator, rows: int, *, shift: float = 0.0) -> tuple[Predictions, Features]:
    x = rng.normal(size=(rows, 2)) + np.array([shift, 0])
    logits = np.column_stack((x[:, 0], x[:, 1], -0.5 * x[:, 0] + 0.3))
    chances = special.softmax(logits, axis=1)
    label = (rng.random((rows, 1)) > np.cumsum(chances, axis=1)).sum(axis=1).clip(max=2).astype(np.int32)
    score = special.softmax(1.5 * logits, axis=1)
    data = Predictions(
        "multiclass",
        rows,
        ("a", "b", "c"),
        label=label,
        score=score,
        prediction=np.argmax(score, axis=1).astype(np.int32),
    )
    return data, features_of(x)


def numbers(
    rng: np.random.Generator, rows: int, *, shift: float = 0.0, noise: float = 1.0
) -> tuple[Predictions, Features]:
    """Errors grow with the first feature."""
    x = rng.normal(size=(rows, 2)) + np.array([shift, 0])
    prediction = x[:, 0] - x[:, 1]
    error = noise * (0.5 + 0.7 * np.abs(x[:, 0])) * rng.normal(size=rows)
    return Predictions("regression", rows, label=prediction + error, prediction=prediction), features_of(x)


def unlabelled(data: Predictions) -> Predictions:
    return replace(data, label=None)


def shuffled(data: Predictions, features: Features, order: np.ndarray) -> tuple[Predictions, Features]:
    return data.take(order), {name: column.take(order) for name, column in features.items()}
