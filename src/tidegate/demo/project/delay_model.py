"""A logistic regression on one-hot features, kept as a small JSON file of weights.

JSON rather than pickle: loading a model can run no code, and a pull request shows which weights moved.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

CATEGORIES = ("carrier", "origin", "dest", "dep_hour", "weekday")
# Where weather and distance are cut into steps, so that effects need not be straight lines. The cuts are
# fixed, not quantiles, so that the weights of two models can be compared.
EDGES = {
    "distance": (200, 300, 500, 750, 1000, 1500, 2000, 2400),  # miles
    "wind_speed": (5, 10, 15, 20, 25),  # mph
    "humidity": (40, 50, 60, 70, 80, 90),  # percent
    "pressure": (1000, 1005, 1010, 1015, 1020, 1025),  # hPa
    "precipitation": (0.001, 0.02, 0.05, 0.1),  # inches an hour
    "visibility": (0.5, 1, 2, 3, 5, 8, 10),  # miles
}
FEATURES = (*CATEGORIES, *EDGES)

Columns = dict[str, Any]  # name to array, as DuckDB's fetchnumpy gives them


@dataclass(frozen=True)
class DelayModel:
    """The weights.

    Attributes:
        intercept: log odds before any feature is known.
        levels: the values of each categorical feature that training has seen.
        weights: what each feature's values add to the log odds. The first weight of a feature stands for
            "missing, or never seen in training"; then one for each level, or for each step between edges.
    """

    intercept: float
    levels: dict[str, list[str]]
    weights: dict[str, list[float]]

    def predict(self, columns: Columns) -> np.ndarray:
        """Probability that each flight arrives late, shape (rows,)."""
        codes = encode(columns, self.levels)
        logit = np.full(len(columns[FEATURES[0]]), self.intercept)
        for name in FEATURES:
            logit += np.array(self.weights[name])[codes[name]]
        return np.asarray(1 / (1 + np.exp(-logit)))

    def save(self, folder: Path) -> None:
        """Write ``model.json``; the same model gives the same bytes."""
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(asdict(self), indent=1, sort_keys=True)
        (folder / "model.json").write_text(text + "\n", encoding="utf-8", newline="\n")

    @classmethod
    def load(cls, folder: Path) -> "DelayModel":
        """Read ``model.json``."""
        return cls(**json.loads((folder / "model.json").read_text(encoding="utf-8")))


def levels_of(columns: Columns) -> dict[str, list[str]]:
    """The values that each categorical feature takes, sorted."""
    return {name: sorted({str(value) for value in np.ma.compressed(columns[name])}) for name in CATEGORIES}


def encode(columns: Columns, levels: dict[str, list[str]]) -> dict[str, np.ndarray]:
    """Each feature as the index of its weight, shape (rows,); 0 is "missing or unknown"."""
    codes = {}
    for name in CATEGORIES:
        position = {level: i for i, level in enumerate(levels[name], start=1)}
        known = [position.get(str(value), 0) for value in columns[name].tolist()]
        codes[name] = np.array(known, dtype=np.intp)
    for name, edges in EDGES.items():
        numbers: np.ma.MaskedArray[Any, Any] = np.ma.asarray(columns[name], dtype=float)
        missing = np.ma.getmaskarray(numbers) | np.isnan(numbers.data)
        codes[name] = np.where(missing, 0, 1 + np.searchsorted(edges, numbers.data, side="right"))
    return codes


def fit(columns: Columns, late: np.ndarray, *, ridge: float = 20.0, steps: int = 6) -> DelayModel:
    """Fit by Newton's method with a ridge penalty.

    The features are one-hot, so the Hessian is made of weighted two-way counts and needs no design
    matrix: a quarter of a million flights take a second or two.

    Args:
        columns: the features.
        late: 0 or 1, shape (rows,).
        ridge: penalty on the squared weights, in observations.
        steps: of Newton's method; six are enough for eight digits here.
    """
    levels = levels_of(columns)
    codes = encode(columns, levels)
    sizes = [1 + len(levels[n]) if n in CATEGORIES else 2 + len(EDGES[n]) for n in FEATURES]
    ends = np.cumsum(sizes)
    at = [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]
    total = int(ends[-1])
    share = late.mean()
    theta = np.zeros(total + 1)  # the intercept stands last
    theta[total] = np.log(share / (1 - share))
    penalty = np.append(np.full(total, ridge), 0.0)
    for _ in range(steps):
        logit = np.full(len(late), theta[total])
        for name, part in zip(FEATURES, at, strict=True):
            logit += theta[part][codes[name]]
        probability = 1 / (1 + np.exp(-logit))
        gradient, hessian = _derivatives(codes, at, late - probability, probability * (1 - probability))
        theta += np.linalg.solve(hessian + np.diag(penalty), gradient - penalty * theta)
    # Six decimals: far below what matters, and the same whatever the order of the rows, on every machine.
    rounded = [round(float(weight), 6) for weight in theta]
    weights = {name: rounded[part] for name, part in zip(FEATURES, at, strict=True)}
    return DelayModel(rounded[total], levels, weights)


def _derivatives(
    codes: dict[str, np.ndarray], at: list[slice], residual: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Gradient and negative Hessian of the log likelihood, shapes (p,) and (p, p)."""
    total = at[-1].stop
    gradient = np.zeros(total + 1)
    hessian = np.zeros((total + 1, total + 1))
    gradient[total], hessian[total, total] = residual.sum(), weight.sum()
    for i, rows in enumerate(at):
        first = codes[FEATURES[i]]
        size = rows.stop - rows.start
        gradient[rows] = np.bincount(first, residual, size)
        hessian[rows, total] = hessian[total, rows] = np.bincount(first, weight, size)
        for j in range(i, len(at)):
            others = at[j]
            width = others.stop - others.start
            cells = np.bincount(first * width + codes[FEATURES[j]], weight, size * width).reshape(size, width)
            hessian[rows, others] = cells
            hessian[others, rows] = cells.T
    return gradient, hessian
