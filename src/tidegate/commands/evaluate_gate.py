"""``evaluate-gate``: judge a candidate against the thresholds of the configuration."""

from tidegate.commands.base import Invocation
from tidegate.commands.evaluation import evaluation_set, read_for, scorer, working_model
from tidegate.documents import Document, make_document
from tidegate.gate import judge
from tidegate.tables import Table


def run(invocation: Invocation, predictions: str | None) -> int:
    """Judge, report, and return the exit code."""
    invocation.need("gate", invocation.model.gate)
    if predictions is not None:
        table = invocation.open(predictions)
    else:
        golden = evaluation_set(invocation, "golden")
        table = scorer(invocation).table(working_model(invocation), golden, "the candidate on the golden set")
    document = gate_document(invocation, table)
    stops = document["decision"] != "pass"
    invocation.publish(document)
    invocation.set_status(document, stops=stops)
    invocation.comment_on_pull_request(document)
    return invocation.exit_code(stops=stops)


def gate_document(invocation: Invocation, table: Table) -> Document:
    """The gate's decision about one predictions table."""
    checks = invocation.model.gate
    identifier = invocation.model.columns.id
    if identifier is not None and identifier in table.schema:
        table.require_unique(identifier)
    result = judge(read_for(invocation, table, checks), checks)
    return make_document(
        "evaluate-gate",
        model=invocation.model_name,
        decision=result.decision,
        reasons=result.reasons,
        warnings=[*result.warnings, *invocation.cannot_vouch()],
        config=invocation.loaded,
        data={"predictions": table},
        body={"checks": result.checks},
    )
