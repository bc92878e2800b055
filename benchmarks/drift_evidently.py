"""Evidently's drift preset as it comes. Runs in Evidently's own environment."""

from dataclasses import asdict

from drift_data import Scenario, Verdict, table


def judge(kind: str, rows: int, columns: int, run: int) -> dict[str, object]:
    """Columns that drifted, and whether the data set did: half of its columns."""
    from evidently import Report
    from evidently.presets import DataDriftPreset

    windows = Scenario(kind, rows, columns).draw(run)
    report = Report([DataDriftPreset()]).run(table(windows.current), table(windows.reference))
    whole, *each = report.dict()["metrics"]
    drifted, p_values = [], {}
    for metric in each:
        asked, value = metric["config"], float(metric["value"])
        if "p_value" in asked["method"]:
            p_values[asked["column"]] = value
        if value < asked["threshold"] if "p_value" in asked["method"] else value >= asked["threshold"]:
            drifted.append(asked["column"])
    assert len(drifted) == round(whole["value"]["count"])
    own = whole["value"]["share"] >= whole["config"]["drift_share"]
    return asdict(Verdict(drifted, [], bool(own), len(each), p_values))


def write_report(reference: str, current: str, folder: str) -> None:
    """Two Parquet files to the drift preset as JSON and HTML."""
    import pandas as pd
    from evidently import Report
    from evidently.presets import DataDriftPreset

    report = Report([DataDriftPreset()]).run(pd.read_parquet(current), pd.read_parquet(reference))
    report.save_json(f"{folder}/report.json")
    report.save_html(f"{folder}/report.html")
