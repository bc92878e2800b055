import json
from pathlib import Path

import jsonschema_rs
import pytest
import yaml

from tidegate.config import json_schema
from tidegate.errors import ConfigError
from tidegate.loading import load_config, parse_config

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
            "'binary', 'multiclass' or 'regression'",
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
