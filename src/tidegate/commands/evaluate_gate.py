"""``evaluate-gate``: judge a candidate against the thresholds of the configuration."""

from pathlib import Path

from tidegate.commands.base import Invocation
from tidegate.commands.evaluation import evaluation_set, scorer, working_model
from tidegate.commands.gate_inputs import read_gate
from tidegate.documents import Document, make_document
from tidegate.errors import TidegateError
from tidegate.gate import judge
from tidegate.tables import Table


def run(invocation: Invocation, predictions: str | None) -> int:
    """Judge, report, and return the exit code."""
    model = invocation.model
    invocation.need("gate", model.gate)
    has_model = model.retrain is not None and bool(model.retrain.artifacts)
    model_dir = working_model(invocation) if has_model else None
    golden = None
    if predictions is not None:
        table = invocation.open(predictions)
    else:
        golden = evaluation_set(invocation, "golden")
        table = scorer(invocation).table(working_model(invocation), golden, "the candidate on the golden set")
    document = gate_document(invocation, table, model_dir=model_dir, golden=golden)
    stops = document["decision"] != "pass"
    passes = document["decision"] == "pass"
    approval = "required" if passes and model.approval else "none"
    invocation.publish(document, {"approval": approval})
    invocation.set_status(document, stops=stops)
    invocation.comment_on_pull_request(document)
    invocation.record(document)
    return invocation.exit_code(stops=stops)


def gate_document(
    invocation: Invocation, table: Table, *, model_dir: Path | None = None, golden: Table | None = None
) -> Document:
    """The gate's decision about one predictions table.

    Args:
        invocation: gives the configuration.
        table: the predictions.
        model_dir: the files of the model that made them, where they are known.
        golden: the evaluation set that the table was made from.
    """
    model = invocation.model
    identifier = model.columns.id
    if identifier is not None:
        # Without its ids nobody could tell whether a table repeats the rows that the model is good at.
        table.require([identifier])
        table.require_unique(identifier)
    given = read_gate(invocation, table, model_dir=model_dir, golden=golden)
    result = judge(given.data, given.items, given.known, sanity=model.sanity, waived=model.waivers)
    return make_document(
        "evaluate-gate",
        model=invocation.model_name,
        decision=result.decision,
        reasons=result.reasons,
        warnings=[*result.warnings, *invocation.cannot_vouch()],
        config=invocation.loaded,
        data={"predictions": table, **({"golden": golden} if golden is not None else {})},
        body={
            "caveats": invocation.cannot_vouch(),
            "checks": result.checks,
            "worst_slices": result.worst_slices,
            "discovered": result.discovered,
            "findings": result.findings,
            "waivers": result.waivers,
            "approval": model.approval,
            "golden": _golden(invocation, golden, changed=given.golden_changed),
        },
    )


def _golden(
    invocation: Invocation, golden: Table | None, *, changed: bool | None
) -> dict[str, object] | None:
    """The golden set of the configuration, and whether it moved together with the model."""
    spec = invocation.model.golden
    if spec is None:
        return None
    try:
        table = golden or invocation.open(spec)
    except TidegateError:
        # The predictions were given, and the golden set itself is not here.
        return None
    return {"path": spec, "sha256": table.sha256, "changed_with_model": changed}
