"""The textbook: two-sample Kolmogorov-Smirnov and chi-squared tests with Holm's correction, and nothing else."""

from dataclasses import asdict

import numpy as np
from drift_data import Scenario, Values, Verdict
from scipy import stats
from statsmodels.stats.multitest import multipletests

LEVEL = 0.01


def judge(kind: str, rows: int, columns: int, run: int) -> dict[str, object]:
    """Columns that drifted by these tests."""
    windows = Scenario(kind, rows, columns).draw(run)
    p_values = {name: p_value(windows.reference[name], windows.current[name]) for name in windows.reference}
    found = multipletests(list(p_values.values()), LEVEL, method="holm")[0]
    drifted = [name for name, yes in zip(p_values, found, strict=True) if yes]
    return asdict(Verdict(drifted, [], None, len(p_values), p_values))


def p_value(reference: Values, current: Values) -> float:
    """Of one column; what is missing is left out."""
    if current.levels:
        size = len(current.levels)
        counts = np.array([np.bincount(each.values, minlength=size) for each in (reference, current)])
        return float(stats.chi2_contingency(counts[:, counts.any(axis=0)], correction=False).pvalue)
    a, b = (each.values[~np.isnan(each.values)] for each in (reference, current))
    return float(stats.ks_2samp(a, b, method="asymp").pvalue)
