"""NannyML's calculators and estimators as they come. Runs in NannyML's own environment."""

from dataclasses import asdict
from typing import Any

from drift_data import Scenario, Verdict, table
from drift_labelled import BINARY, REGRESSION, Case, Labelled


def judge(kind: str, rows: int, columns: int, run: int, multivariate: bool = False) -> dict[str, object]:
    """Columns with an alert in any of its chunks: ten by default, one of a day where rows have times."""
    import nannyml

    windows = Scenario(kind, rows, columns).draw(run)
    reference = table(windows.reference, windows.reference_times)
    current = table(windows.current, windows.current_times)
    asked: dict[str, Any] = {"column_names": list(windows.reference)}
    if windows.current_times is not None:
        asked |= {"timestamp_column_name": "at", "chunk_period": "D"}
    calculator = nannyml.UnivariateDriftCalculator(**asked).fit(reference)
    found = calculator.calculate(current).filter(period="analysis").to_df()
    alerts = {names[0]: found[names] for names in found.columns if names[-1] == "alert"}
    drifted = [name for name, alert in alerts.items() if bool(alert.any())]
    cells = sum(len(alert) for alert in alerts.values())
    if multivariate:
        together = nannyml.DataReconstructionDriftCalculator(**asked).fit(reference).calculate(current)
        alert = together.filter(period="analysis").to_df()["reconstruction_error", "alert"]
        drifted += ["multivariate"] * bool(alert.any())
    return asdict(Verdict(drifted, [], None, cells))


def estimate(task: str, kind: str, rows: int, reference_rows: int, run: int) -> dict[str, list[float]]:
    """Of each metric the estimate, and its interval as if it were one of 95%: NannyML shows three standard errors."""
    import nannyml

    then, now = Case(task, kind, rows, reference_rows).draw(run)
    reference = _rows(then, task).assign(y=then.label)
    names = REGRESSION if task == "regression" else BINARY
    theirs = [
        {"mean_absolute_error": "mae", "root_mean_squared_error": "rmse"}.get(name, name) for name in names
    ]
    shared: dict[str, Any] = {"y_true": "y", "metrics": theirs, "chunk_size": rows}
    if task == "regression":
        features = [name for name in reference.columns if name.startswith("x")]
        estimator = nannyml.DLE(feature_column_names=features, y_pred="answer", **shared)
    else:
        shared |= {"y_pred_proba": "answer", "y_pred": "said", "problem_type": "classification_binary"}
        estimator = nannyml.CBPE(**shared)
    found = estimator.fit(reference).estimate(_rows(now, task)).filter(period="analysis").to_df()
    assert len(found) == 1
    made = {}
    for name, their in zip(names, theirs, strict=True):
        value, error = (float(found[their, column].iloc[0]) for column in ("value", "sampling_error"))
        made[name] = [value, value - 1.959964 * error, value + 1.959964 * error]
    return made


def _rows(window: Labelled, task: str) -> Any:
    import pandas as pd

    made = {f"x{j}": window.features[:, j] for j in range(window.features.shape[1])}
    made["answer"] = window.answer
    return pd.DataFrame(
        made if task == "regression" else {**made, "said": (window.answer >= 0.5).astype(int)}
    )


def write_report(reference: str, current: str, folder: str) -> None:
    """Two Parquet files to univariate drift as JSON: there is no report, and a figure of 50 columns takes minutes."""
    import nannyml
    import pandas as pd

    then, now = pd.read_parquet(reference), pd.read_parquet(current)
    found = nannyml.UnivariateDriftCalculator(column_names=list(then.columns)).fit(then).calculate(now)
    found.to_df(multilevel=False).to_json(f"{folder}/report.json")
