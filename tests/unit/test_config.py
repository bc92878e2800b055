import json
from datetime import date
from pathlib import Path

import jsonschema_rs
import pytest
import yaml

from tidegate.config import Check, CommandCheck, json_schema, spelling
from tidegate.errors import ConfigError
from tidegate.loading import load_config, parse_config
from tidegate.metrics import find

SCHEMA = Path(__file__).parents[2] / "schema" / "tidegate.schema.json"

EXAMPLE = """\
version: 1
models:
  flight-delay:
    task: binary
    columns:
      id: flight_id
      label: delayed
      positive: 1
      score: p_delayed
      prediction: predicted
      threshold: 0.5
      timestamp: departed_at
      latency: latency_ms
      kpi: [revenue]
      cluster: customer_id
    golden: data/golden.parquet
    recent: data/recent.parquet
    predict: python predict.py --model {model_dir} --data {data} --output {predictions}
    gate:
      - {metric: roc_auc, min: 0.70}
      - {metric: recall, min: 0.40, slices: [carrier], min_rows: 200}
      - {metric: roc_auc, min: 0.65, slices: [carrier], confidence: 0.95}
      - {metric: latency_p95, max: 50}
      - {metric: demographic_parity_difference, by: origin, max: 0.25}
      - {metric: mean, column: toxicity, max: 0.01}
      - {metric: missing_share, column: dep_hour, max: 0.02}
    compare:
      confidence: 0.95
      sets: [golden]
      primary: {metric: roc_auc, require: superior}
      guardrails:
        - {metric: log_loss, margin: 0.01}
        - {metric: recall, slices: [carrier], margin: 0.03, min_rows: 200, require: not_inferior}
      on_inconclusive: hold
    drift:
      features: [dep_hour, distance, carrier, origin]
      false_alarm_rate: 0.01
      min_effect: 0.05
    retrain:
      when: [performance_drop, "drift and estimated_drop", "new_rows >= 100000"]
      cooldown: 7d
      consecutive: 2
      min_labels: 5000
      data: warehouse-recent
      holdout: {last: 20%}
      train: python train.py --data {data} --output {model_dir}
      artifacts: [models/flight-delay/]
"""


def refusal(text: str | bytes) -> str:
    with pytest.raises(ConfigError) as refused:
        parse_config(text if isinstance(text, bytes) else text.encode(), "tidegate.yml")
    return str(refused.value)


def with_model(body: str) -> str:
    return f"version: 1\nmodels:\n  m:\n    task: binary\n{body}"


def test_the_full_example_loads() -> None:
    model = parse_config(EXAMPLE.encode(), "tidegate.yml").models["flight-delay"]

    assert [check.metric for check in model.gate][:2] == ["roc_auc", "recall"]
    assert model.columns.named() == {
        *("flight_id", "delayed", "p_delayed", "predicted", "departed_at", "latency_ms", "revenue"),
        "customer_id",
    }
    assert model.retrain is not None
    assert model.retrain.cooldown.days == 7


def test_the_shipped_schema_is_the_one_of_the_code_and_accepts_the_example() -> None:
    shipped = json.loads(SCHEMA.read_text(encoding="utf-8"))

    assert shipped == json_schema(), "write it anew: tidegate validate --schema > schema/tidegate.schema.json"
    validator = jsonschema_rs.validator_for(shipped)
    validator.validate(yaml.safe_load(EXAMPLE))
    assert not validator.is_valid(yaml.safe_load(EXAMPLE.replace("roc_auc", "roc_auk")))
    assert not validator.is_valid(yaml.safe_load(EXAMPLE.replace("kpi:", "kpis:")))


@pytest.mark.parametrize(
    ("old", "new", "at", "path", "mend"),
    [
        ("version: 1", "version: 2", None, "version", "use 1"),
        ("models:", "model:", None, "model", "Did you mean 'models'"),
        ("task:", "tsk:", None, "models.flight-delay.tsk", "Did you mean 'task'"),
        (
            "task: binary",
            "task: text",
            None,
            "models.flight-delay.task",
            "'binary', 'multiclass', 'regression' or 'ranking'",
        ),
        ("label:", "lable:", None, "models.flight-delay.columns.lable", "Did you mean 'label'"),
        ("max: 50", "max: fast", None, "models.flight-delay.gate.3.max", "valid number"),
        ("max: 50", "max: .nan", None, "models.flight-delay.gate.3.max", "finite number"),
        ("min_rows: 200}", "min_row: 200}", None, "models.flight-delay.gate.1.min_row", "'min_rows'"),
        ("metric: latency_p95", "metric: latency_95", None, "gate.3.metric", "Did you mean 'latency_p95'"),
        ("roc_auc, min: 0.70", "roc_auc, max: 0.70", None, "gate.0", "write `min:`"),
        ("roc_auc, min: 0.70", "roc_auc", None, "gate.0", "exactly one of `min:` and `max:`"),
        ("by: origin, ", "", "demographic", "gate.4", "needs `by:`"),
        ("column: toxicity", "colum: toxicity", None, "gate.5.colum", "Did you mean 'column'"),
        (
            "metric: recall, min",
            "metric: r2, min",
            "flight-delay:",
            "flight-delay",
            "does not fit task 'binary'",
        ),
        ("on_inconclusive: hold", "on_inconclusive: no", None, "on_inconclusive", "'hold' or 'promote'"),
        ("sets: [golden]", "sets: [recent, golden]", "compare:", "compare", "primary.margin"),
        ("margin: 0.01", "margins: 0.01", None, "guardrails.0.margins", "Did you mean 'margin'"),
        ("min_effect:", "min_efect:", None, "drift.min_efect", "Did you mean 'min_effect'"),
        ("performance_drop,", "performanse_drop,", "retrain:", "retrain", "Did you mean 'performance_drop'"),
        ("performance_drop,", "{performance_drop: {metrik: f1}},", None, "metrik", "Did you mean 'metric'"),
        ("cooldown: 7d", "cooldown: 7 moons", None, "retrain.cooldown", "such as 7d"),
        ("last: 20%", "last: 200%", "holdout", "retrain.holdout", "between 0% and 100%"),
        (
            "--output {model_dir}\n      art",
            "\n      art",
            "train: python train.py",
            "retrain.train",
            "must contain {model_dir}",
        ),
        ("models/flight-delay/]", "../elsewhere]", "retrain:", "retrain", "inside the repository"),
        ("models/flight-delay/]", ".git/hooks]", "retrain:", "retrain", "inside the repository"),
        ("flight-delay:", "flight delay:", "flight delay:", "models.flight delay", "use letters, digits"),
    ],
)
def test_an_error_names_line_key_and_mend(old: str, new: str, at: str | None, path: str, mend: str) -> None:
    assert old in EXAMPLE
    text = EXAMPLE.replace(old, new, 1)
    message = refusal(text)
    line = text[: text.index(at or new)].count("\n") + 1

    where = next((each for each in message.splitlines() if mend in each), message)
    assert where.startswith(f"tidegate.yml:{line}: ")
    assert path in where
    assert mend in where


def test_several_errors_are_told_at_once() -> None:
    message = refusal(EXAMPLE.replace("label:", "lable:").replace("consecutive: 2", "consecutive: 0"))

    assert [each.split(": ")[0] for each in message.splitlines()] == ["tidegate.yml:7", "tidegate.yml:42"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is empty"),
        ("# nothing\n", "is empty"),
        ("hello", "tidegate.yml:1"),
        ("version: 1\n", "the key 'models' is missing"),
        ("version: 1\nmodels: {}\n", "tidegate.yml:2: models"),
        (
            "version: 1\nversion: 1\nmodels: {}\n",
            "tidegate.yml:2: key 'version' stands twice (first in line 1)",
        ),
        (with_model("    gate: &g []\n    columns: {kpi: *g}\n"), "anchors and aliases are not supported"),
        ("version: 1\n\tmodels: {}\n", "tidegate.yml:2: not valid YAML"),
        ("version: [1\n", "not valid YAML"),
        ("version: 1\n---\nversion: 1\n", "not valid YAML"),
        ("version: !!python/object/apply:os.getcwd []\n", "not valid YAML"),
        ("version: !!int one\n", "not valid YAML"),
        ("[" * 50_000, "not valid YAML"),
        (with_model("    golden: {{ path }}\n"), "tidegate.yml:5: a key must be plain text"),
        (b"version: 1 # \xff\n", "is not UTF-8"),
        (b"version: \x00", "not valid YAML"),
    ],
)
def test_what_is_no_configuration_is_refused(text: str | bytes, told: str) -> None:
    assert told in refusal(text)


def test_a_missing_or_huge_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"does not exist.*--config"):
        load_config(tmp_path / "no.yml")
    big = tmp_path / "big.yml"
    big.write_bytes(b"#" * 1_000_001)
    with pytest.raises(ConfigError, match="1,000,001 bytes"):
        load_config(big)


def test_the_model_is_chosen_by_name_when_there_are_several(tmp_path: Path) -> None:
    path = tmp_path / "c.yml"
    path.write_text("version: 1\nmodels: {alpha: {}, beta: {}}\n", encoding="utf-8")
    loaded = load_config(path)

    assert loaded.model("beta")[0] == "beta"
    with pytest.raises(ConfigError, match="choose one with --model"):
        loaded.model(None)
    with pytest.raises(ConfigError, match="Did you mean 'alpha'"):
        loaded.model("alfa")


def test_country_codes_and_dates_stay_text() -> None:
    text = with_model(
        "    columns: {positive: yes}\n    golden: 2026-01-01\n"
        "    gate: [{metric: accuracy, min: 0.5, slices: [{country: [NO, on, SE]}]}]\n"
    )
    model = parse_config(text.encode(), "c.yml").models["m"]

    assert model.columns.positive == "yes"
    assert model.golden == "2026-01-01"
    assert model.gate[0].slices == [{"country": ["NO", "on", "SE"]}]


def test_classes_may_be_numbers() -> None:
    text = "version: 1\nmodels: {m: {task: multiclass, columns: {score: {0: p0, 1: p1}}}}\n"

    assert parse_config(text.encode(), "c.yml").models["m"].columns.score == {0: "p0", 1: "p1"}


GATE = """\
version: 1
models:
  m:
    task: binary
    columns: {id: id}
    gate:
      - metric: accuracy
        min: 0.5
        slices:
          - city
          - age: {quantiles: 4}
          - [city, {at: {period: week}}]
      - command: python own.py {table}
        metric: own
        max: 3
      - invariance:
          pair: p
          tolerance: 0.1
        max_share: 0.2
      - directional:
          pair: p
          order: x
          expect: increase
      - must_pass:
          ids: [1]
      - schema:
          age: number
        severity: warn
    sanity:
      leakage: block
    waivers:
      - metric: accuracy
        expires: 2030-01-31
        owner: Ada
        reason: labels are late
    approval: required
    performance: perf.json
"""


def test_every_kind_of_item_loads() -> None:
    model = parse_config(GATE.encode(), "c.yml").models["m"]

    assert [type(item).__name__ for item in model.gate] == [
        *("Check", "CommandCheck", "Invariance", "Directional", "MustPass", "SchemaCheck")
    ]
    assert model.waivers[0].expires == date(2030, 1, 31)
    assert jsonschema_rs.validator_for(json_schema()).is_valid(
        yaml.safe_load(GATE.replace("2030-01-31", "'2030-01-31'"))
    )


@pytest.mark.parametrize(
    ("old", "new", "path", "mend"),
    [
        ("min: 0.5", "mn: 0.5", "gate.0.mn", "Did you mean 'min'?"),
        (
            "metric: accuracy\n        min",
            "metrik: accuracy\n        min",
            "gate.0.metrik",
            "Did you mean 'metric'?",
        ),
        ("slices:", "slises:", "gate.0.slises", "Did you mean 'slices'?"),
        ("quantiles: 4", "quantils: 4", "gate.0.slices.1.age.quantils", "Did you mean 'quantiles'?"),
        ("quantiles: 4", "quantiles: 1", "gate.0.slices.1.age.quantiles", "greater than or equal to 2"),
        ("{quantiles: 4}", "{edges: [3, 2]}", "gate.0.slices.1.age", "must rise"),
        ("{quantiles: 4}", "{edges: [3], period: day}", "gate.0.slices.1.age", "exactly one of `edges:`"),
        ("period: week", "perod: week", "gate.0.slices.2.1.at.perod", "Did you mean 'period'?"),
        ("period: week", "period: weak", "gate.0.slices.2.1.at.period", "'week'"),
        ("command: python", "comand: python", "gate.1.comand", "Did you mean 'command'?"),
        ("max: 3", "mx: 3", "gate.1.mx", "Did you mean 'max'?"),
        ("invariance:", "invarience:", "gate.2.invarience", "Did you mean 'invariance'?"),
        ("tolerance: 0.1", "tolerence: 0.1", "gate.2.invariance.tolerence", "Did you mean 'tolerance'?"),
        ("max_share: 0.2", "max_shares: 0.2", "gate.2.max_shares", "Did you mean 'max_share'?"),
        ("directional:", "directionel:", "gate.3.directionel", "Did you mean 'directional'?"),
        ("expect: increase", "expects: increase", "gate.3.directional.expects", "Did you mean 'expect'?"),
        ("expect: increase", "expect: rise", "gate.3.directional.expect", "'increase' or 'decrease'"),
        ("must_pass:", "must_past:", "gate.4.must_past", "Did you mean 'must_pass'?"),
        ("ids: [1]", "id: [1]", "gate.4.must_pass.id", "Did you mean 'ids'?"),
        ("schema:", "shema:", "gate.5.shema", "Did you mean 'schema'?"),
        ("age: number", "age: numbr", "gate.5.schema.age", "'number'"),
        ("severity: warn", "severty: warn", "gate.5.severty", "Did you mean 'severity'?"),
        ("severity: warn", "severity: warning", "gate.5.severity", "'block', 'warn' or 'info'"),
        ("leakage: block", "leakege: block", "sanity.leakege", "Did you mean 'leakage'?"),
        ("leakage: block", "leakage: on", "sanity.leakage", "'block', 'warn', 'info' or 'off'"),
        ("expires:", "exspires:", "waivers.0.exspires", "Did you mean 'expires'?"),
        ("expires: 2030-01-31", "expires: 2030-31-01", "waivers.0.expires", "such as 2026-12-31"),
        ("approval: required", "approval: needed", "approval", "use 'required'"),
        ("performance:", "performence:", "performence", "Did you mean 'performance'?"),
    ],
)
def test_an_error_in_an_item_names_its_own_line(old: str, new: str, path: str, mend: str) -> None:
    assert GATE.count(old) == 1
    text = GATE.replace(old, new)
    line = text[: text.index(new)].count("\n") + 1 + new.rstrip().count("\n") * ("metrik" not in new)
    said = [each for each in refusal(text).splitlines() if mend in each]

    assert said, refusal(text)
    assert said[0].startswith(f"tidegate.yml:{line}: models.m.{path}: ")


@pytest.mark.parametrize(
    ("item", "accepted"),
    [
        ("{must_pass: [1], zzz: 2}", "Accepted: must_pass, severity."),
        ("{schema: {a: text}, zzz: 2}", "Accepted: schema, severity."),
        ("{invariance: {pair: p, zzz: 2}}", "Accepted: pair, tolerance."),
        ("{invariance: {pair: p}, zzz: 2}", "Accepted: invariance, max_share, severity."),
        (
            "{command: x, max: 1, zzz: 2}",
            "Accepted: command, confidence, max, metric, min, min_rows, severity.",
        ),
    ],
)
def test_the_accepted_keys_are_those_of_the_kind(item: str, accepted: str) -> None:
    assert accepted in refusal(with_model(f"    gate: [{item}]\n"))


def test_the_keys_of_a_metric_are_named_as_they_are_written() -> None:
    message = refusal(with_model("    gate: [{metric: precision, min: 0.5, clas: 1}]\n"))

    assert "Did you mean 'class'?" in message


@pytest.mark.parametrize(
    ("item", "told"),
    [
        ("accuracy", "keys with values belong here"),
        ("[accuracy]", "keys with values belong here"),
        ("{}", "the key 'metric' is missing"),
        ("{invariance: p}", "keys with values belong here"),
        ("{metric: accuracy, min: 0.5, worst_slice: true}", "needs the slices to choose from"),
        ("{metric: accuracy, min: 0.5, worst_slice: [a], slices: [b]}", "not under both"),
        ("{metric: mean, column: x, max: 1, discover: true}", "`discover:` cannot search by 'mean'"),
        ("{metric: ndcg@0, min: 0.5}", "a whole number from 1 on, such as ndcg@10"),
        ("{metric: ndcg@ten, min: 0.5}", "a whole number from 1 on, such as ndcg@10"),
        ("{metric: recal@5, min: 0.5}", "Did you mean 'recall@10'?"),
        ("{metric: latency_p0, max: 5}", "A percentile lies between 0 and 100"),
        ("{metric: latency_p100, max: 5}", "A percentile lies between 0 and 100"),
        ("{metric: roc_auc, min: 0.5, k: 3}", "takes no `k:`"),
        ("{metric: expected_cost, max: 1}", "needs `costs:`"),
        ("{metric: share_above, column: x, max: 1}", "needs `at:`"),
        ("{metric: ndcg@10, k: 5, min: 0.5}", "names its `k:` already"),
    ],
)
def test_an_item_that_makes_no_sense_is_refused_with_its_mend(item: str, told: str) -> None:
    assert told in refusal(with_model(f"    gate:\n      - {item}\n"))


@pytest.mark.parametrize(
    "item",
    [
        {"command": "x", "metric": "roc_auc", "min": 0},
        {"command": "x", "metric": "must_pass", "min": 0},
        {"command": "x", "metric": "leakage", "min": 0},
        {"command": "x", "metric": "::stop-commands::x", "min": 0},
        {"command": "x", "metric": "a\n::error::b", "min": 0},
    ],
)
def test_a_command_cannot_pose_as_what_is_measured_here(item: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"measured here|pattern"):
        CommandCheck.model_validate(item)


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("f1_score", "f1"),
        ("MAPE", "mean_absolute_percentage_error"),
        ("ece", "expected_calibration_error"),
        ("recall_at_5", "recall@5"),
        ("ndcg10", "ndcg@10"),
        ("pr_auc", "average_precision"),
    ],
)
def test_another_name_of_a_metric_leads_to_ours(name: str, instead: str) -> None:
    with pytest.raises(ValueError, match=f"unknown metric '{name}'. Write {instead}."):
        Check.model_validate({"metric": name, "min": 0})


def test_every_other_name_leads_to_a_metric_or_to_another_place() -> None:
    elsewhere = ("under sanity", "without metric", "worst_slice")
    for name in spelling._METRICS.values():
        assert find(name.partition(" ")[0]) is not None or any(place in name for place in elsewhere)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ({"slices": "a"}, {"slices": ["a"]}),
        ({"worst_slice": "a"}, {"worst_slice": ["a"]}),
        ({"slices": [{"column": "a", "quantiles": 4}]}, {"slices": [{"a": {"quantiles": 4}}]}),
        ({"slices": [["b", {"column": "a", "values": ["x"]}]]}, {"slices": [["b", {"a": ["x"]}]]}),
    ],
)
def test_slices_may_be_written_in_other_ways(written: dict[str, object], meant: dict[str, object]) -> None:
    check = {"metric": "accuracy", "min": 0.5}
    assert Check.model_validate(check | written) == Check.model_validate(check | meant)
