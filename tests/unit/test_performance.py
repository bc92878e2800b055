import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from workspace import Ended, Workspace, workspace

from tidegate.errors import DataError
from tidegate.performance import MAX_BYTES, read_performance

__all__ = ["workspace"]

SAMPLES = [float(i) for i in range(1, 101)]
WHOLE: dict[str, Any] = {
    "latency_ms": SAMPLES,
    "throughput": 310.5,
    "errors": 3,
    "requests": 5_000,
    "cost_per_row": 0.0002,
    "model_size_bytes": 48_211_033,
    "interleaved": True,
    "production": {"latency_ms": [2 * value for value in SAMPLES]},
}


def configure(
    place: Workspace, *items: str, columns: str = "{}", task: str = "binary", more: str = ""
) -> None:
    lines = "".join(f"      - {item}\n" for item in items)
    place.configure(
        f"version: 1\nmodels:\n  m:\n    task: {task}\n    columns: {columns}\n    performance: perf.json\n{more}"
        f"    gate:\n{lines}"
    )


def judge(place: Workspace, content: object, table: str = "x\n1\n") -> Ended:
    place.write("perf.json", content if isinstance(content, str) else json.dumps(content))
    place.write("p.csv", table)
    return place.tidegate("evaluate-gate", "--predictions", "p.csv")


def checks(place: Workspace) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = place.document("evaluate-gate")["checks"]
    return found


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression", "ranking"])
def test_a_performance_file_alone_can_be_judged(workspace: Workspace, task: str) -> None:
    configure(
        workspace,
        "{metric: latency_p50, max: 50.5}",
        "{metric: latency_p95, max: 96, confidence: 0.9}",
        "{metric: latency_p99.5, max: 100}",
        "{metric: latency_p95_ratio, max: 0.5, confidence: 0.95}",
        "{metric: throughput, min: 300}",
        "{metric: error_rate, max: 0.002, confidence: 0.95}",
        "{metric: cost_per_row, max: 0.001}",
        "{metric: model_size_mb, max: 50}",
        task=task,
    )
    ended = judge(workspace, WHOLE)
    found = {check["metric"]: check for check in checks(workspace)}

    assert ended.code in (0, 1), ended.err
    assert found["latency_p50"]["value"] == np.quantile(SAMPLES, 0.5)
    assert found["latency_p95"]["value"] == pytest.approx(np.quantile(SAMPLES, 0.95), rel=1e-11)
    low, high = found["latency_p95"]["ci"]
    assert low < found["latency_p95"]["value"] < high
    assert {low, high} <= set(SAMPLES)
    assert found["latency_p95"]["verdict"] == "inconclusive"
    assert found["latency_p95_ratio"]["value"] == 0.5
    assert found["latency_p95_ratio"]["verdict"] == "pass"
    assert (found["throughput"]["value"], found["throughput"]["rows"]) == (310.5, 5_000)
    assert (found["error_rate"]["value"], found["error_rate"]["rows"]) == (0.0006, 5_000)
    assert found["error_rate"]["ci"][0] < 0.0006 < found["error_rate"]["ci"][1]
    assert found["cost_per_row"]["value"] == 0.0002
    assert found["model_size_mb"]["value"] == 48.211033


def test_percentiles_do_where_no_samples_are_kept(workspace: Workspace) -> None:
    configure(
        workspace,
        "{metric: latency_p95, max: 15}",
        "{metric: latency_p99.9, max: 20}",
        "{metric: latency_p50, max: 10}",
        "{metric: latency_p95, max: 15, confidence: 0.95}",
        "{metric: throughput, min: 1}",
    )
    ended = judge(workspace, {"latency_ms": {"p95": 14.2, "p99.9": 30}, "requests": 900})

    assert ended.code == 1, ended.err
    assert [(c["value"], c["verdict"], c["rows"]) for c in checks(workspace)] == [
        (14.2, "pass", 900),
        (30, "fail", 900),
        (None, "fail", 900),
        (14.2, "inconclusive", 900),
        (None, "fail", 0),
    ]
    assert "no interval can be computed" in checks(workspace)[3]["detail"]
    assert "no latency was measured" in checks(workspace)[2]["detail"]


@pytest.mark.parametrize("interleaved", [False, None, "yes", 1])
def test_production_counts_only_when_measured_interleaved(workspace: Workspace, interleaved: object) -> None:
    configure(workspace, "{metric: latency_p95_ratio, max: 2}")
    content = {key: value for key, value in WHOLE.items() if key != "interleaved"}
    ended = judge(workspace, content if interleaved is None else content | {"interleaved": interleaved})

    assert ended.code == (1 if interleaved in (False, None) else 2)
    if ended.code == 1:
        assert "interleaved" in checks(workspace)[0]["detail"]
    else:
        assert "'interleaved' must be true or false" in ended.err


def test_measurements_are_of_the_whole_and_not_of_slices(workspace: Workspace) -> None:
    configure(workspace, "{metric: latency_p95, max: 50, slices: [x]}")
    ended = judge(workspace, WHOLE, "x\na\nb\n")

    assert ended.code == 1
    assert all("known for the model as a whole" in check["detail"] for check in checks(workspace))


COLUMNS = "{id: id, latency: ms, production_latency: old, error: err, cost: eur}"
TABLE = "id,ms,old,err,eur,x\n" + "".join(
    f"{i},{i + 1},{2 * (i + 1)},{'timeout' if i % 10 == 0 else ''},0.5,{'ab'[i % 2]}\n" for i in range(100)
)


def test_columns_are_measured_row_by_row_and_in_slices(workspace: Workspace) -> None:
    configure(
        workspace,
        "{metric: latency_p50, max: 100, slices: [x]}",
        "{metric: latency_p95_ratio, max: 0.5, confidence: 0.95}",
        "{metric: error_rate, max: 0.1}",
        "{metric: error_rate, max: 0.25, slices: [x]}",
        "{metric: cost_per_row, max: 0.5}",
        "{metric: throughput, min: 1}",
        columns=COLUMNS,
    )
    ended = judge(workspace, {"latency_ms": [1_000], "error_rate": 1, "cost_per_row": 9}, TABLE)
    found = checks(workspace)

    assert ended.code == 0, ended.out + ended.err
    assert [(c["slice"], c["value"]) for c in found[:2]] == [({"x": "a"}, 50), ({"x": "b"}, 51)]
    assert [c["value"] for c in found[2:]] == [0.5, 0.1, 0.2, 0, 0.5, pytest.approx(1_000 / 50.5, rel=1e-11)]


@pytest.mark.parametrize(
    ("values", "rate"),
    [
        (("true", "false"), 0.5),
        (("1", "0"), 0.5),
        (("500", ""), 0.5),
        (("", ""), 0),
        (("connection refused", ""), 0.5),
        (("x", "y"), 1),
    ],
)
def test_what_counts_as_an_error(workspace: Workspace, values: tuple[str, str], rate: float) -> None:
    configure(workspace, "{metric: error_rate, max: 1}", columns="{error: err}")
    ended = judge(workspace, {}, f"err,x\n{values[0]},1\n{values[1]},2\n")

    assert ended.code == 0, ended.err
    assert checks(workspace)[0]["value"] == rate


def test_the_size_of_the_model_is_that_of_its_files_whatever_is_said_of_it(workspace: Workspace) -> None:
    configure(workspace, "{metric: model_size_mb, max: 0.01}", more="    retrain: {artifacts: [models/m/]}\n")
    workspace.write("models/m/a.bin", "x" * 5_000)
    workspace.write("models/m/deep/b.bin", "x" * 2_500)
    workspace.write("models/m/MODEL_CARD.md", "words " * 100_000)

    assert judge(workspace, {}).code == 0
    assert checks(workspace)[0]["value"] == 0.0075
    assert judge(workspace, {"model_size_bytes": 20_000}).code == 0
    assert checks(workspace)[0]["value"] == 0.0075


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "is no JSON"),
        ("{", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("\ufeff{}", "is no JSON"),
        ("[1]", "must hold an object"),
        ("null", "must hold an object"),
        ({"latency": [1]}, "unknown key 'latency'. Did you mean 'latency_ms'?"),
        ({"latency_ms": []}, "'latency_ms' must hold milliseconds, not negative, at least one"),
        ({"latency_ms": [1, -2]}, "'latency_ms' must hold milliseconds"),
        ({"latency_ms": [1, "2"]}, "'latency_ms' must hold milliseconds"),
        ({"latency_ms": [True]}, "'latency_ms' must hold milliseconds"),
        ('{"latency_ms": [NaN]}', "'latency_ms' must hold milliseconds"),
        ('{"latency_ms": [1e999]}', "'latency_ms' must hold milliseconds"),
        ({"latency_ms": 12}, "'latency_ms' must be a list of milliseconds or an object of percentiles"),
        ({"latency_ms": "12"}, "'latency_ms' must be a list of milliseconds or an object of percentiles"),
        ({"latency_ms": {"p100": 3}}, "'latency_ms' holds 'p100': write percentiles such as \"p95\": 14.2"),
        ({"latency_ms": {"p0": 3}}, "'latency_ms' holds 'p0'"),
        ({"latency_ms": {"mean": 3}}, "'latency_ms' holds 'mean'"),
        ({"latency_ms": {"p95": "3"}}, "'latency_ms' holds 'p95'"),
        ({"latency_ms": {"p95": -3}}, "'latency_ms' holds 'p95'"),
        ({"throughput": -1}, "'throughput' must be a number that is not negative"),
        ({"throughput": "fast"}, "'throughput' must be a number that is not negative"),
        ({"throughput": True}, "'throughput' must be a number that is not negative"),
        ({"requests": 1.5}, "'requests' must be a whole number"),
        ({"errors": 3}, "'errors' needs 'requests'"),
        ({"errors": 3, "requests": 0}, "'errors' needs 'requests'"),
        ({"errors": 3, "requests": 2}, "'errors' needs 'requests'"),
        ({"error_rate": 1.1}, "'error_rate' is a share between 0 and 1, not 1.1"),
        ({"model_size_bytes": 0.5}, "'model_size_bytes' must be a whole number"),
        ({"production": [1]}, "'production' must be an object with a list 'latency_ms'"),
        ({"production": {}}, "'production' must be an object with a list 'latency_ms'"),
        ({"production": {"latency_ms": [-1]}}, "'production.latency_ms' must hold milliseconds"),
        (
            {"latency_ms": [1], "production": {"latency_ms": [1, 2]}, "interleaved": True},
            "come in pairs, but there are 1 and 2",
        ),
        (
            {"latency_ms": {"p50": 1}, "production": {"latency_ms": [1, 2]}, "interleaved": True},
            "come in pairs, but there are 0 and 2",
        ),
        ('{"errors": 1, "errors": 2}', "'errors' stands twice"),
    ],
)
def test_a_file_that_makes_no_sense_names_itself_and_the_key(
    workspace: Workspace, content: object, told: str
) -> None:
    configure(workspace, "{metric: throughput, min: 1}")
    ended = judge(workspace, content)

    assert ended.code == 2, ended.err
    assert told in ended.err
    assert "perf.json" in ended.err
    assert len(ended.err.splitlines()) == 1
    assert workspace.reports == set()


def test_bytes_that_are_no_text_a_missing_file_and_a_huge_one(tmp_path: Path) -> None:
    path = tmp_path / "perf.json"
    with pytest.raises(DataError, match=r"perf.json, named by `performance:`, cannot be read"):
        read_performance(path, "perf.json")
    path.write_bytes(b"\xff\xfe{}")
    with pytest.raises(DataError, match="is no JSON"):
        read_performance(path, "perf.json")
    with path.open("wb") as stream:
        stream.truncate(MAX_BYTES + 1)
    with pytest.raises(DataError, match="write a sample of the latencies"):
        read_performance(path, "perf.json")


def test_without_measurements_the_columns_are_asked_for(workspace: Workspace) -> None:
    configure(workspace, "{metric: latency_p95, max: 5}")
    config = (workspace.root / ".github/tidegate.yml").read_text(encoding="utf-8")
    workspace.configure(config.replace("    performance: perf.json\n", ""))
    ended = judge(workspace, {})

    assert ended.code == 2
    assert "`columns.latency:` is missing in the config" in ended.err


def test_an_unknown_number_of_requests_excuses_nothing(workspace: Workspace) -> None:
    configure(workspace, "{metric: error_rate, max: 0.01, min_rows: 10}")

    assert judge(workspace, {"error_rate": 0.9}).code == 1
    judge(workspace, {"errors": 3, "requests": 5})
    assert [check["verdict"] for check in checks(workspace)] == ["skipped"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"error_rate": 0, "errors": 100, "requests": 100}, "is not 100 errors of 100 requests"),
        ({"latency_ms": {"p50": 100, "p95": 1}}, "falls from one percentile"),
        ({"latency_ms": {"p95": 1, "p95.0": 2}}, "twice"),
        ({"latency_ms": [1], "production": {"latency_ms": [1], "p95": 3}}, "unknown key 'p95'"),
        ({"throughput": 10**400}, "must be a number"),
    ],
)
def test_figures_that_contradict_each_other_are_refused(
    workspace: Workspace, content: dict[str, Any], told: str
) -> None:
    configure(workspace, "{metric: error_rate, max: 0.01}")
    ended = judge(workspace, content)

    assert ended.code == 2
    assert told in ended.err
