"""A candidate's table holds its answers: what its rows are, count and belong to is production's to say."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from test_comparison_inputs import ACCURACY, BINARY, answers, configure, inputs
from workspace import Workspace, workspace

from tidegate.errors import DataError
from tidegate.tables import open_table

__all__ = ["workspace"]

Row = Mapping[str, Any]
RANKING = {"id": "id", "label": "y", "score": "s", "query": "q"}


def designed() -> list[Row]:
    """Rows with weights, clusters of which some are missing, and queries."""
    return [
        {**row, "w": 0.1 + i % 3, "g": None if i < 5 else i % 7, "q": f"q{i // 6}"}
        for i, row in enumerate(answers())
    ]


@pytest.mark.parametrize(
    ("part", "name", "change"),
    [
        ("weight", "w", lambda row: 0.0 if row["s"] < 0.3 else row["w"]),
        ("weight", "w", lambda row: row["w"] * (1 + 2e-6)),
        ("cluster", "g", lambda row: row["id"]),
        ("cluster", "g", lambda row: None),
        ("cluster", "g", lambda row: 1),
        ("query", "q", lambda row: f"{row['q']}-{row['y']}"),
        ("query", "q", lambda row: "q0" if row["q"] == "q1" else row["q"]),
    ],
)
def test_a_candidate_that_counts_or_groups_rows_in_its_own_way_is_refused(
    workspace: Workspace, part: str, name: str, change: Callable[[Row], Any]
) -> None:
    if part == "query":
        configure(workspace, {"primary": {"metric": "mrr"}}, RANKING, "ranking")
    else:
        configure(workspace, columns={**BINARY, part: name})
    workspace.table("p.csv", designed())
    workspace.table("c.csv", [{**row, name: change(row)} for row in designed()])

    with pytest.raises(DataError, match=rf"^c.csv: column '{name}' \(`columns.{part}:`\) differs from"):
        inputs(workspace, "c.csv", production="p.csv")


def test_what_only_is_written_in_another_way_agrees(workspace: Workspace) -> None:
    configure(workspace, columns={**BINARY, "weight": "w", "cluster": "g"})
    source = open_table(str(workspace.table("p.csv", designed())))
    source.export(
        workspace.root / "c.parquet",
        select="id, y, s, CAST(w AS FLOAT) AS w, coalesce('about ' || g, 'alone ' || id) AS g",
        where="true ORDER BY CAST(id AS INTEGER) DESC",
    )
    evaluation = inputs(workspace, "c.parquet", production="p.csv").sets[0].evaluation

    candidate, production = evaluation.candidates["c"], evaluation.production
    assert production.weight is not None
    assert candidate.weight is production.weight
    assert candidate.cluster is production.cluster
    np.testing.assert_array_equal(production.weight, [row["w"] for row in designed()])


def test_slices_and_protected_groups_are_those_of_production(workspace: Workspace) -> None:
    compare = {
        **ACCURACY,
        "guardrails": [
            {
                "metric": "mean",
                "column": "kpi",
                "better": "higher",
                "slices": ["city", {"kpi": {"edges": [3]}}],
            },
            {"metric": "demographic_parity_difference", "by": "group"},
        ],
    }
    configure(workspace, compare)
    rows = [
        {**row, "city": "ab"[i % 2], "group": "xy"[i % 3 // 2], "kpi": i % 5}
        for i, row in enumerate(answers())
    ]
    workspace.table("p.csv", rows)
    workspace.table(
        "c.csv", [{**row, "city": "a", "group": "x" if row["s"] > 0.5 else "y", "kpi": 4} for row in rows]
    )
    evaluation = inputs(workspace, "c.csv", production="p.csv").sets[0].evaluation

    ours, theirs = evaluation.candidates["c"].columns, evaluation.production.columns
    for name in ("city", "group"):
        assert ours[name, "category"] is theirs[name, "category"]
    assert set(ours["kpi", "number"].values) == {4.0}
    assert set(theirs["kpi", "number"].values) == {0.0, 1.0, 2.0, 3.0, 4.0}


def test_another_truth_is_refused(workspace: Workspace) -> None:
    configure(workspace)
    workspace.table("p.csv", answers())
    workspace.table("c.csv", [{**row, "y": row["y"] if row["id"] else 1 - row["y"]} for row in answers()])

    with pytest.raises(DataError, match=r"^c.csv: the label differs from production's in 1 row that"):
        inputs(workspace, "c.csv", production="p.csv")
