"""Sample documents, one per state that a report can show."""

import copy
import itertools
from typing import Any

Document = dict[str, Any]

HOSTILE = (
    '"; echo pwned',
    "${{ secrets.X }}",
    "<img src=x onerror=alert(1)>",
    "@everyone",
    "`code` *bold* _em_ ~~gone~~",
    "line\nbreak | table\r\n\n# heading",
    "<!-- tidegate:sticky -->",
    "[click](https://evil.example/?a=1) ![x](http://evil.example/x.png)",
    "www.evil.example https://evil.example mail@evil.example #1 GH-2 acme/x#3",
    "::set-output name=x::y ##[error]z",
    "\u202egnp.exe\u202c \x1b[31mred\x1b[0m \u200bzero",
    "da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "x" * 400,
)


def _document(command: str, decision: str, reasons: list[str], **rest: Any) -> Document:
    return {
        "schema": f"tidegate/{command}/1",
        "model": "flight-delay",
        "decision": decision,
        "reasons": reasons,
        "created_at": "2013-04-01T06:30:00Z",
        "warnings": [],
        "provenance": {
            "tidegate_version": "0.1.0",
            "git_sha": "9fceb02d0ae598e95dc970b74767f19372d61af8",
            "config_sha256": "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03",
            "data": [
                {
                    "role": "predictions",
                    "path": "data/golden-predictions.parquet",
                    "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                    "rows": 10_000,
                }
            ],
            "rows": 10_000,
        },
        **rest,
    }


def check(metric: str, value: float | None, verdict: str, **rest: Any) -> Document:
    """One check of an `evaluate-gate` document."""
    row: Document = {
        "metric": metric,
        "column": None,
        "slice": None,
        "value": value,
        "ci": None,
        "confidence": None,
        "threshold": {"min": 0.4},
        "rows": 10_000,
        "verdict": verdict,
        "detail": "",
    }
    return row | rest


def gate_fail() -> Document:
    """A gate that fails on one slice and cannot tell on another."""
    return _document(
        "evaluate-gate",
        "fail",
        [
            "recall for carrier UA: 0.3122 is below the minimum 0.4",
            "roc_auc for carrier HA: the 95% interval 0.5811 to 0.7392 includes the minimum 0.65",
        ],
        checks=[
            check("roc_auc", 0.7031, "pass", ci=[0.6922, 0.7139], confidence=0.95, threshold={"min": 0.7}),
            check(
                "recall",
                0.3122,
                "fail",
                slice={"carrier": "UA"},
                ci=[0.2811, 0.3450],
                confidence=0.95,
                rows=812,
            ),
            check(
                "recall",
                0.4377,
                "pass",
                slice={"carrier": "EV"},
                ci=[0.4170, 0.4586],
                confidence=0.95,
                rows=2197,
            ),
            check(
                "roc_auc",
                0.6623,
                "inconclusive",
                slice={"carrier": "HA"},
                ci=[0.5811, 0.7392],
                confidence=0.95,
                threshold={"min": 0.65},
                rows=241,
                detail="the interval includes the minimum 0.65; about 3,900 more rows would settle it",
            ),
            check(
                "recall",
                None,
                "skipped",
                slice={"carrier": "OO"},
                rows=14,
                detail="14 rows are fewer than min_rows 200",
            ),
            check("latency_p95", 41.3, "pass", ci=[40.1, 43.0], confidence=0.95, threshold={"max": 50}),
            check("mean", 0.0031, "pass", column="toxicity", threshold={"max": 0.01}),
        ],
    )


def gate_pass() -> Document:
    """A gate that passes."""
    document = gate_fail()
    kept = [row for row in document["checks"] if row["verdict"] in ("pass", "skipped")]
    return document | {"decision": "pass", "reasons": ["all 4 checks with enough rows pass"], "checks": kept}


def gate_inconclusive() -> Document:
    """A gate that cannot tell."""
    document = gate_fail()
    kept = [row for row in document["checks"] if row["verdict"] != "fail"]
    return document | {"decision": "inconclusive", "reasons": document["reasons"][1:], "checks": kept}


ANA = {"owner": "@ana", "reason": "thin traffic in winter, see the January review", "expires": "2026-12-31"}
"""A waiver in force."""


def waiver(metric: str, state: str, covers: int, **rest: Any) -> Document:
    """One entry of `waivers[]` of an `evaluate-gate` document."""
    row: Document = {
        "metric": metric,
        "column": None,
        "by": None,
        "slice": None,
        "state": state,
        "covers": covers,
    }
    return row | ANA | rest


def finding(name: str, severity: str, column: str | None, value: float | None, detail: str) -> Document:
    """One finding of an `evaluate-gate` document."""
    return {"finding": name, "severity": severity, "column": column, "value": value, "detail": detail}


def segment(where: Document, value: float, rows: int, adjusted: float, claimed: bool) -> Document:
    """One slice that a search came upon."""
    return {
        "slice": where,
        "value": value,
        "rows": rows,
        "share": rows / 10_000,
        "difference": round(value - 0.4377, 6),
        "p_value": adjusted / 412,
        "adjusted_p_value": adjusted,
        "claimed": claimed,
    }


def search(metric: str, slices: list[Document], **rest: Any) -> Document:
    """One search for slices that nobody listed."""
    row: Document = {
        "metric": metric,
        "column": None,
        "options": {},
        "overall": 0.4312,
        "rows": 10_000,
        "searched": 412,
        "tested_columns": [f"feature_{index}" for index in range(9)],
        "crossed_columns": [f"feature_{index}" for index in range(9)],
        "left_out": ["flight_id", "tail_number"],
        "found": len([row for row in slices if row["claimed"]]),
        "max_conditions": 2,
        "min_rows": 100,
        "correction": "Holm (1979)",
        "confidence": 0.95,
        "slices": slices,
    }
    return row | rest


def worst(row: Document) -> Document:
    """A check as an entry of `worst_slices[]`."""
    keys = ("metric", "column", "by", "options", "slice", "value", "ci", "rows", "verdict", "threshold")
    return {key: row.get(key) for key in keys}


def gate_waived() -> Document:
    """A gate that passes because someone stands in for what fails, with all else that a gate can say."""
    document = gate_pass()
    thin = check(
        "recall",
        0.3122,
        "fail",
        slice={"carrier": "UA"},
        ci=[0.2811, 0.345],
        confidence=0.95,
        rows=812,
        waiver=ANA,
    )
    rows = [
        *document["checks"],
        thin,
        check(
            "demographic_parity_difference",
            0.1121,
            "pass",
            by=["origin", "carrier"],
            threshold={"max": 0.25},
            ci=[0.0702, 0.1533],
            confidence=0.95,
        ),
        check("ece", 0.0312, "pass", options={"bins": 10, "binning": "quantile"}, threshold={"max": 0.05}),
        check(
            "roc_auc",
            0.6911,
            "pass",
            worst_of=14,
            slice={"distance": "[100, 1000)", "departed_at": "2026-W05"},
            threshold={"min": 0.65},
            rows=1204,
        ),
        check("must_pass", 0, "pass", threshold={"max": 0}, rows=25),
        check("invariance", 0.0125, "pass", threshold={"max": 0.02}, rows=400),
    ]
    return document | {
        "reasons": ["all 9 checks that count pass"],
        "checks": rows,
        "approval": "required",
        "waivers": [
            waiver("recall", "used", 1, slice={"carrier": "UA"}),
            waiver("latency_p95", "unused", 0, owner="@bo", reason="new machines", expires="2026-09-30"),
        ],
        "worst_slices": [worst(row) for row in (thin, document["checks"][1], rows[-3])],
        "discovered": [
            search(
                "recall",
                [
                    segment({"carrier": "HA", "origin": "JFK"}, 0.2104, 342, 0.0004, True),
                    segment({"dep_hour": ">= 20", "carrier": None}, 0.2931, 512, 0.031, True),
                    segment({"distance": "< 100"}, 0.3312, 148, 0.21, False),
                ],
            )
        ],
        "findings": [
            finding("duplicate_rows", "info", None, 0.0012, "12 of 10,000 rows repeat another row"),
            finding("constant_column", "warn", "year", 1, "every row has the value 2013"),
        ],
        "golden": {
            "path": "data/golden.parquet",
            "sha256": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
            "changed_with_model": False,
        },
    }


def gate_warned() -> Document:
    """A gate that passes although a lot falls short that only warns or informs."""
    document = gate_waived()
    levels = {"ci": [0.2704, 0.4155], "confidence": 0.95, "severity": "warn"}
    checks = [
        check("recall", 0.3371, "fail", slice={"carrier": "AA"}, severity="info", rows=1204),
        *document["checks"],
        check("recall", 0.3422, "inconclusive", slice={"carrier": "HA"}, rows=88, **levels)
        | {"detail": "the interval does not clear the minimum 0.4; more rows would settle it"},
        check("share_above", 0.0712, "fail", column="delay", options={"at": 60}, severity="warn")
        | {"threshold": {"max": 0.05}},
        check("must_pass", 2, "fail", severity="warn", threshold={"max": 0}, rows=25)
        | {"detail": "is above the maximum 0; flight_id 90211, 90377"},
        check("ece", 0.0312, "pass", severity="warn", threshold={"max": 0.05}),
    ]
    far = {"expires": "2099-12-31", "long": True}
    for row in checks:
        if row.get("waiver"):
            row["waiver"] = ANA | {"expires": far["expires"]}
    return document | {
        "checks": checks,
        "waivers": [
            waiver("recall", "used", 1, slice={"carrier": "UA"}, options={"at": 0.5}, **far),
            waiver("latency_p95", "unused", 0, owner="@bo", reason="new machines", options=None, **far),
            waiver("share_above", "expired", 1, options={"at": 60}, expires="2026-01-31", long=False),
        ],
        "discovered": [row | {"corrected_for": 6_120} for row in document["discovered"]],
        "findings": [
            *document["findings"],
            finding(
                "golden_changed", "warn", None, None, "data/golden.parquet and models/flight-delay changed"
            ),
        ],
        "golden": document["golden"] | {"changed_with_model": True},
    }


def gate_refused() -> Document:
    """A gate that fails on behaviour and on findings, after a waiver has run out."""
    document = gate_waived()
    rows = [
        *document["checks"],
        check(
            "must_pass",
            2,
            "fail",
            threshold={"max": 0},
            rows=25,
            detail="2 of 25 rows are wrong: flight_id 90211, 90377",
        ),
        check(
            "directional",
            0.0311,
            "fail",
            threshold={"max": 0.02},
            rows=386,
            detail="12 of 386 pairs move the wrong way: pair_id 7, 19, 22, …",
        ),
        check("schema", 1, "fail", threshold={"max": 0}, detail="distance is text, not a number"),
    ]
    waivers = [
        *document["waivers"],
        waiver(
            "roc_auc",
            "expired",
            1,
            slice={"carrier": "HA"},
            owner="@cy",
            reason="until the new feed is in",
            expires="2026-01-31",
        ),
    ]
    findings = [
        *document["findings"],
        finding("too_good", "block", None, 0.9998, "a score this good is often a leak") | {"waiver": ANA},
        finding(
            "leakage", "block", "dep_delay", 0.9991, "dep_delay alone ranks the label with an AUC of 0.9991"
        ),
        finding(
            "golden_changed", "warn", None, None, "data/golden.parquet and models/flight-delay both changed"
        ),
    ]
    search = document["discovered"][0]
    return document | {
        "decision": "fail",
        "discovered": [search | {"crossed_columns": search["crossed_columns"][:5], "found": 14}],
        "reasons": [
            "schema: distance is text, not a number",
            "must_pass: 2 of 25 rows are wrong: flight_id 90211, 90377",
            "directional: 12 of 386 pairs move the wrong way",
            "leakage of dep_delay: it alone ranks the label with an AUC of 0.9991",
        ],
        "checks": rows,
        "waivers": waivers,
        "findings": findings,
        "golden": document["golden"] | {"changed_with_model": True},
    }


def gate_searched() -> Document:
    """A gate that cannot tell, whose search has shown nothing."""
    document = gate_inconclusive()
    unclear = document["checks"][2]
    waived = unclear | {"slice": {"carrier": "YV"}, "waiver": ANA}
    return document | {
        "checks": [*document["checks"], waived],
        "waivers": [waiver("roc_auc", "used", 1, slice={"carrier": "YV"})],
        "worst_slices": [worst(unclear), worst(waived)],
        "discovered": [
            search(
                "roc_auc",
                [segment({"carrier": "HA"}, 0.6623, 241, 0.4, False) | {"difference": -0.0418}],
                overall=0.7031,
                left_out=[],
            ),
            search(
                "accuracy",
                [],
                overall=0.9,
                searched=1,
                tested_columns=["carrier"],
                min_rows=1,
                max_conditions=1,
            ),
        ],
        "findings": [
            finding("trivial_model", "warn", None, 0.011, "0.7031 is 0.011 above always answering 0")
        ],
        "golden": {"path": "data/golden.parquet", "sha256": None, "changed_with_model": None},
    }


def gate_hostile() -> Document:
    """A failing gate whose every name and value is an attack."""
    document = gate_fail()
    document["model"] = HOSTILE[2]
    document["checks"] = [
        check(
            "recall",
            0.31,
            "fail",
            slice={name: name},
            column=name,
            ci=[0.28, 0.34],
            confidence=0.95,
            detail=name,
        )
        for name in HOSTILE
    ]
    document["checks"].append(check("recall", None, "skipped", slice={"carrier": None}, detail=HOSTILE[5]))
    document["reasons"] = [f"recall for carrier {name}: 0.31 is below the minimum 0.4" for name in HOSTILE]
    document["warnings"] = list(HOSTILE)
    document["provenance"]["data"][0]["path"] = HOSTILE[3]
    document["checks"][3]["waiver"] = {"owner": HOSTILE[3], "reason": HOSTILE[8], "expires": HOSTILE[2]}
    document["waivers"] = [
        waiver(name, state, 1, owner=name, reason=name, by=[name, name])
        for name, state in zip(HOSTILE[2:8], ("expired", "unused") * 3, strict=True)
    ]
    document["findings"] = [finding(name, "block", name, None, name) for name in HOSTILE]
    document["discovered"] = [
        search(
            HOSTILE[4],
            [segment({name: name}, 0.2, 100, 0.001, index < 6) for index, name in enumerate(HOSTILE)],
            left_out=list(HOSTILE),
            correction=HOSTILE[2],
            options={HOSTILE[3]: HOSTILE[9]},
        )
    ]
    document["worst_slices"] = [worst(row) for row in document["checks"][:8]]
    document["golden"] = {"path": HOSTILE[2], "sha256": HOSTILE[3], "changed_with_model": True}
    document["approval"] = HOSTILE[3]
    return document


def gate_many(slices: int = 500) -> Document:
    """A gate with more slices than a comment can hold."""
    document = gate_fail()
    document["checks"] = [
        check(
            "recall",
            0.3 + index / (2 * slices),
            "fail" if index < slices // 5 else "pass",
            slice={"destination": f"airport {index:03d}", "carrier": "United Air Lines"},
            ci=[0.28 + index / (2 * slices), 0.32 + index / (2 * slices)],
            confidence=0.95,
            rows=200 + index,
        )
        for index in range(slices)
    ]
    document["reasons"] = [
        f"recall for destination airport {index:03d} and carrier United Air Lines: below the minimum 0.4"
        for index in range(slices // 5)
    ]
    return document


def gate_crowded() -> Document:
    """A gate with too much of everything."""
    document = gate_many(500)
    for index, row in enumerate(document["checks"][:60]):
        row["waiver"] = ANA | {
            "reason": f"reason {index}: " + "the review of the slice is not finished; " * 6
        }
    segments = [
        segment({"destination": f"airport {index:03d}", "carrier": "UA"}, 0.2, 100, 0.001, index < 200)
        for index in range(300)
    ]
    return document | {
        "worst_slices": [worst(row) for row in document["checks"][:100]],
        "discovered": [search(f"metric_{index}", segments) for index in range(12)],
        "findings": [
            finding("leakage", "warn", f"column_{index}", 0.99, "why " * 50) for index in range(200)
        ],
        "waivers": [
            waiver(f"metric_{index}", state, 0) for index in range(50) for state in ("expired", "unused")
        ],
    }


def comparison(
    metric: str, values: tuple[float, float], ci: list[float], verdict: str, **rest: Any
) -> Document:
    """One comparison of a `compare-to-prod` document; `values` are candidate's and production's."""
    row: Document = {
        "candidate": "candidate",
        "set": "golden",
        "metric": metric,
        "slice": None,
        "candidate_value": values[0],
        "production_value": values[1],
        "delta": round(values[0] - values[1], 6),
        "ci": ci,
        "p_value": 0.0004,
        "adjusted_p_value": 0.0016,
        "p_better": 0.0002,
        "margin": 0.0,
        "require": "superior",
        "verdict": verdict,
        "method": "DeLong, paired",
        "rows": 10_000,
        "role": "primary",
        "detectable": 0.0061,
        "rows_needed": None,
        "satisfied": True,
        "detail": "",
    }
    return row | rest


def compare_hold() -> Document:
    """A candidate that is worse where it has to be better."""
    return _document(
        "compare-to-prod",
        "hold",
        [
            "roc_auc on recent: the candidate is inferior, by 0.0137 (95% interval 0.0062 to 0.0212)",
            "recall for carrier UA on golden: not shown within the margin 0.03; more rows are needed",
        ],
        confidence=0.95,
        first_release=False,
        sets=["recent", "golden"],
        joins=[
            {
                "set": "recent",
                "candidate": "candidate",
                "matched": 24_951,
                "only_candidate": 0,
                "only_production": 0,
                "repeated_candidate": 0,
                "repeated_production": 0,
            },
            {
                "set": "golden",
                "candidate": "candidate",
                "matched": 9_990,
                "only_candidate": 5,
                "only_production": 10,
                "repeated_candidate": 0,
                "repeated_production": 0,
            },
        ],
        comparisons=[
            comparison(
                "roc_auc",
                (0.6894, 0.7031),
                [-0.0212, -0.0062],
                "inferior",
                set="recent",
                satisfied=False,
                rows=24_951,
            ),
            comparison(
                "log_loss",
                (0.4712, 0.4729),
                [0.0004, 0.0030],
                "superior",
                role="guardrail",
                require="non_inferior",
                margin=0.01,
                delta=0.0017,
                p_value=0.0102,
                adjusted_p_value=0.0204,
                p_better=0.9949,
                method="paired mean, t",
                detectable=0.0019,
            ),
            comparison(
                "recall",
                (0.4012, 0.4224),
                [-0.0498, 0.0076],
                "inconclusive",
                role="guardrail",
                require="not_inferior",
                margin=0.03,
                slice={"carrier": "UA"},
                p_value=0.151,
                adjusted_p_value=0.302,
                p_better=0.0755,
                rows=812,
                satisfied=False,
                detectable=0.041,
                rows_needed=1_122,
                method="McNemar, mid-p",
            ),
            comparison(
                "recall",
                (0.4377, 0.4391),
                [-0.0119, 0.0092],
                "non_inferior",
                role="guardrail",
                require="not_inferior",
                margin=0.03,
                slice={"carrier": "EV"},
                p_value=0.81,
                adjusted_p_value=0.81,
                p_better=0.405,
                rows=2_197,
                method="McNemar, mid-p",
            ),
        ],
        candidates=[
            {"candidate": "candidate", "decision": "hold", "reasons": ["roc_auc on recent: inferior"]}
        ],
        ranking=[{"candidate": "candidate", "value": 0.6894, "delta_to_next": None, "ci_to_next": None}],
    )


def compare_promote() -> Document:
    """A candidate that is better, and nowhere worse."""
    document = compare_hold()
    better = comparison("roc_auc", (0.7187, 0.7031), [0.0081, 0.0231], "superior", set="recent", rows=24_951)
    document["comparisons"] = [
        better | {"p_better": 0.9998},
        document["comparisons"][1],
        document["comparisons"][3],
    ]
    document["candidates"] = [
        {"candidate": "candidate", "decision": "promote", "reasons": ["every requirement is met"]}
    ]
    return document | {
        "decision": "promote",
        "reasons": ["roc_auc on recent: superior, by 0.0156 (95% interval 0.0081 to 0.0231)"],
    }


def compare_first_release() -> Document:
    """No production model yet, and said so."""
    document = compare_promote()
    return document | {
        "reasons": [
            "first release: there is no production model to compare with, and --first-release says so"
        ],
        "first_release": True,
        "joins": [],
        "comparisons": [],
        "ranking": [],
    }


def compare_several() -> Document:
    """Three candidates, ranked."""
    document = compare_hold()
    rows = document["comparisons"]
    document["comparisons"] = [
        row | {"candidate": name} for name in ("forest", "boosting", "logistic") for row in rows
    ]
    document["candidates"] = [
        {"candidate": "forest", "decision": "hold", "reasons": ["roc_auc on recent: inferior"]},
        {"candidate": "boosting", "decision": "promote", "reasons": ["every requirement is met"]},
        {"candidate": "logistic", "decision": "inconclusive", "reasons": ["roc_auc on recent: inconclusive"]},
    ]
    document["ranking"] = [
        {"candidate": "boosting", "value": 0.7187, "delta_to_next": 0.0051, "ci_to_next": [-0.0011, 0.0113]},
        {"candidate": "logistic", "value": 0.7136, "delta_to_next": 0.0242, "ci_to_next": [0.0150, 0.0334]},
        {"candidate": "forest", "value": 0.6894, "delta_to_next": None, "ci_to_next": None},
    ]
    return document | {"decision": "promote", "reasons": ["boosting: every requirement is met"]}


_CARRIERS = {
    # candidate's and production's recall, then the interval of the difference, adjusted p, rows and verdict
    "UA": ((0.3611, 0.4224), [-0.0961, -0.0265], 0.004, 812, "inferior"),
    "HA": ((0.4021, 0.4362), [-0.1203, 0.0521], 1.0, 94, "inconclusive"),
    "EV": ((0.4377, 0.4391), [-0.0119, 0.0092], 1.0, 2_197, "non_inferior"),
    "DL": ((0.4466, 0.4402), [-0.0035, 0.0163], 1.0, 1_644, "non_inferior"),
    "B6": ((0.4712, 0.4391), [0.0104, 0.0538], 0.021, 1_902, "superior"),
    None: ((0.5120, 0.4310), [0.0311, 0.1309], 0.008, 402, "superior"),
}
_NEW_IN_COMPARISONS = {
    "column": None,
    "by": None,
    "options": {},
    "clusters": None,
    "relative_margin": None,
    "cost": "",
    "equivalence": None,
    "suspicious": False,
}


def _by_carrier(name: str, **rest: Any) -> list[Document]:
    return [
        comparison(
            "recall",
            values,
            ci,
            verdict,
            set=name,
            slice={"carrier": carrier},
            role="guardrail",
            require="not_inferior" if carrier == "HA" else "non_inferior",
            margin=0.03,
            adjusted_p_value=adjusted,
            p_value=adjusted / 12,
            p_better=0.5,
            rows=rows,
            method="McNemar, mid-p",
            satisfied=verdict != "inferior",
        )
        | _NEW_IN_COMPARISONS
        | rest
        | (
            {"cost": "with 94 rows this slice cannot show a loss under 0.12", "detectable": 0.12}
            if carrier == "HA"
            else {}
        )
        for carrier, (values, ci, adjusted, rows, verdict) in _CARRIERS.items()
    ]


def _unharmed(row: Document) -> Document:
    """The same comparison where nothing much has changed."""
    same = {"verdict": "non_inferior", "satisfied": True, "p_value": 0.71, "adjusted_p_value": 1.0}
    better = round(row["production_value"] + 0.004, 4)
    return row | same | {"candidate_value": better, "delta": 0.004, "ci": [-0.0171, 0.0251], "rows": 4_120}


def found_segment(where: Document, delta: float, confirmed: bool, **rest: Any) -> Document:
    """One segment that the scan of a comparison came upon."""
    row: Document = {
        "slice": where,
        "rows_scanned": 341,
        "delta_scanned": round(delta * 1.4, 4),
        "p_value": 0.00012,
        "q_value": 0.021,
        "rows": 329,
        "delta": delta,
        "ci": [round(delta - 0.031, 4), round(delta + 0.031, 4)],
        "p_value_held_back": 0.0008 if confirmed else 0.21,
        "adjusted_p_value": 0.0024 if confirmed else 0.42,
        "confirmed": confirmed,
        "margin": 0.0,
    }
    return row | rest


def segment_search(found: list[Document], **rest: Any) -> Document:
    """One entry of `segments[]` of a `compare-to-prod` document."""
    row: Document = {
        "candidate": "candidate",
        "set": "golden",
        "metric": "log_loss",
        "searched": 412,
        "tested_columns": [f"feature_{index}" for index in range(9)],
        "left_out": ["flight_id", "tail_number"],
        "false_discovery_rate": 0.1,
        "discovered": 14 if len(found) > 2 else len(found),
        "rows_scanned": 5_012,
        "rows_held_back": 4_978,
        "found": found,
    }
    return row | rest


def flipped(kind: str, index: int, **rest: Any) -> Document:
    """One row whose answer changed."""
    wrong, right = ("0", "1") if index % 3 else ("1", "0")
    scores = (0.6612, 0.1204) if (right == "1") == (kind == "new_error") else (0.3388, 0.8796)
    row: Document = {
        "id": 90_211 + 17 * index,
        "kind": kind,
        "label": right,
        "production": right if kind == "new_error" else wrong,
        "candidate": wrong if kind == "new_error" else right,
        "production_score": scores[0],
        "candidate_score": scores[1],
        "change": 0.5408 if kind == "new_error" else -0.5408,
    }
    return row | rest


def flips(name: str = "golden", new_errors: int = 14, fixed: int = 31, **rest: Any) -> Document:
    """One entry of `flips[]` of a `compare-to-prod` document."""
    rows = [flipped("new_error", index) for index in range(new_errors)]
    row: Document = {
        "candidate": "candidate",
        "set": name,
        "kind": "class",
        "new_errors": new_errors,
        "fixed": fixed,
        "rows_compared": 9_990,
        "rows": [*rows, *(flipped("fixed", 100 + index) for index in range(fixed))],
    }
    return row | rest


def compare_sets() -> Document:
    """A candidate that fixes the newest rows and harms golden ones, with all that a comparison can say."""
    base = compare_hold()
    golden = [row | _NEW_IN_COMPARISONS for row in base["comparisons"][1:2]]
    rows = [
        comparison("roc_auc", (0.7187, 0.7031), [0.0081, 0.0231], "superior", set="recent", rows=24_951)
        | _NEW_IN_COMPARISONS
        | {"clusters": 3_120, "method": "cluster-robust (CR3)", "p_better": 0.9998},
        comparison("roc_auc", (0.6902, 0.7144), [-0.0371, -0.0113], "inferior", rows=9_990, satisfied=False)
        | _NEW_IN_COMPARISONS
        | {"role": "guardrail", "require": "non_inferior", "margin": 0.007144, "relative_margin": 0.01},
        *golden,
        golden[0] | {"set": "recent", "rows": 24_951, "equivalence": {"p_value": 0.0012, "holds": True}},
        *_by_carrier("golden"),
        *map(_unharmed, _by_carrier("recent")),
        comparison("precision", (0.9412, 0.5121), [0.3911, 0.4671], "superior", role="guardrail")
        | _NEW_IN_COMPARISONS
        | {"margin": 0.02, "require": "equivalent", "suspicious": True, "satisfied": False}
        | {"equivalence": {"p_value": 0.83, "holds": False}},
    ]
    return base | {
        "reasons": [
            "roc_auc on the golden set is worse by 0.0242 [0.0113, 0.0371]: worse by more than the 0.007144 allowed",
            "recall for carrier UA on the golden set is worse by 0.0613 [0.0265, 0.0961]",
        ],
        "level": 0.9984375,
        "correction": "holm",
        "comparisons": rows,
        "candidates": [
            {"candidate": "candidate", "decision": "hold", "reasons": ["roc_auc on golden: inferior"]}
        ],
        "ranking": [
            {"candidate": "candidate", "production": False, "value": 0.7187, "delta_to_next": 0.0156}
            | {"ci_to_next": [0.0081, 0.0231], "delta": 0.0156, "ci": [0.0081, 0.0231]}
            | {"ranks": [1, 1], "may_be_best": True},
            {"candidate": "production", "production": True, "value": 0.7031, "delta_to_next": None}
            | {"ci_to_next": None, "delta": 0.0, "ci": [0.0, 0.0], "ranks": [2, 2], "may_be_best": False},
        ],
        "best": {
            "candidate": "candidate",
            "sentence": "candidate is better than production with 99.8% confidence",
            "may_be_best": ["candidate"],
            "method": "multiple comparisons with the best",
            "confidence": 0.9984375,
        },
        "segments": [
            segment_search([], set="recent", left_out=[]),
            segment_search(
                [
                    found_segment({"origin": "JFK", "dep_hour": ">= 20"}, -0.0712, True),
                    found_segment({"tail": None}, -0.0204, False),
                    found_segment({"distance": "< 100"}, -0.0131, False),
                ]
            ),
        ],
        "flips": [flips("recent", 0, 210, rows=[]), flips()],
        "budget": {
            "set": "golden",
            "golden_sha256": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
            "horizon": 32,
            "adaptivity": "none",
            "used": 7,
            "left": 25,
            "known": False,
            "exhausted": False,
            "error_per_decision": 0.0015625,
            "ledger": "history",
            "detail": "this golden set has judged 7 of 32 candidates; 25 are left; the error is divided by 32, and"
            " intervals are about 1.394 times as wide as for a single decision",
        },
        "golden_drift": {
            "reference": "warehouse-recent",
            "reference_rows": 50_000,
            "rows": 9_990,
            "drifted": [
                {
                    "column": "distance",
                    "test": "Kolmogorov-Smirnov",
                    "p_value": 1e-9,
                    "adjusted_p_value": 1e-8,
                }
                | {"effect": 0.2104},
                {"column": "carrier", "test": "chi-squared, two samples", "p_value": 1e-5}
                | {"adjusted_p_value": 0.0001, "effect": 0.0921},
            ],
            "tested": 12,
            "differs": True,
            "sentence": "the golden set no longer looks like production: 2 of 12 columns differ:"
            " distance (effect 0.2104), carrier (effect 0.0921)",
            "reweighted": False,
            "effective_rows": None,
            "largest_weight": None,
            "method": "",
            "detail": "",
        },
        "baseline": {
            "version": 3,
            "commit": "9fceb02d0ae598e95dc970b74767f19372d61af8",
            "promoted_at": "2012-12-20T10:15:00Z",
            "age_days": 101,
            "source": "registry",
            "golden_sha256": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
            "notes": [
                "production was promoted more than 90 days ago",
                "production moved on from version 3 to 4 after this branch was cut: update the branch",
            ],
        },
        "disagreements": [
            "roc_auc: superior on the recent set, and inferior on the golden set",
            "recall for carrier UA: non-inferior on the recent set, and inferior on the golden set",
        ],
    }


def compare_arms() -> Document:
    """Three candidates and production on a golden set that is used up."""
    base, complete = compare_several(), compare_sets()
    names = ("boosting", "logistic", "forest")
    slices = [row for row in _by_carrier("golden") if row["slice"]["carrier"] in ("UA", "B6", "DL")]
    primary = comparison("roc_auc", (0.7187, 0.7031), [0.0081, 0.0231], "superior") | _NEW_IN_COMPARISONS
    arms = [
        ("boosting", 0.7187, 0.0051, [-0.0011, 0.0113], 0.0156, [0.0071, 0.0241], [1, 2]),
        ("logistic", 0.7136, 0.0105, [0.0011, 0.0199], 0.0105, [0.0011, 0.0199], [1, 2]),
        ("production", 0.7031, 0.0137, [0.0041, 0.0233], 0.0, [0.0, 0.0], [3, 3]),
        ("forest", 0.6894, None, None, -0.0137, [-0.0233, -0.0041], [4, 4]),
    ]
    return base | {
        "decision": "inconclusive",
        "reasons": ["the golden set is used up: it has judged 32 of 32 candidates; refresh it"],
        "sets": ["golden"],
        "candidates": [
            {"candidate": name, "decision": "inconclusive", "reasons": ["the golden set is used up"]}
            for name in names
        ],
        "level": 1 - 0.05 / 3 / 32,
        "correction": "hierarchical",
        "comparisons": [row | {"candidate": name} for name in names for row in (primary, *slices)],
        "ranking": [
            {
                "candidate": name,
                "production": name == "production",
                "value": value,
                "delta_to_next": lead,
                "ci_to_next": lead_ci,
                "delta": delta,
                "ci": ci,
                "ranks": ranks,
                "may_be_best": ranks[0] == 1,
            }
            for name, value, lead, lead_ci, delta, ci, ranks in arms
        ],
        "best": {
            "candidate": "boosting",
            "sentence": "boosting and logistic cannot be told apart: either may be best",
            "may_be_best": ["boosting", "logistic"],
            "method": "simultaneous intervals, max-t",
            "confidence": 0.95,
        },
        "segments": [segment_search([], candidate=name, searched=0) for name in names[:1]]
        + [segment_search([found_segment({"tail": "N1"}, -0.02, False)], candidate=names[1])],
        "flips": [
            flips(candidate=name, kind="error", new_errors=1_204, fixed=2_011)
            | {
                "rows": [
                    flipped(
                        kind,
                        index,
                        id=f"EV-44{index}",
                        label=31.5,
                        production=28.25,
                        candidate=2.0,
                        change=change,
                    )
                    | {"production_score": None, "candidate_score": None}
                    for index in range(2)
                    for kind, change in (("new_error", 26.25), ("fixed", -12.5))
                ]
            }
            for name in names[:2]
        ],
        "budget": complete["budget"]
        | {
            "used": 32,
            "left": 0,
            "exhausted": True,
            "detail": "used up: this golden set has judged 32 of 32 candidates: refresh it with rows that are new",
        },
        "golden_drift": complete["golden_drift"]
        | {
            "reweighted": True,
            "effective_rows": 4_210,
            "largest_weight": 8.3,
            "method": "logistic regression, cross-fitted",
            "detail": "1.2% of production lies where the golden set has next to no rows",
        },
        "baseline": complete["baseline"]
        | {"version": None, "commit": None, "promoted_at": None}
        | {"age_days": None, "source": "given", "notes": []},
        "disagreements": [],
    }


def compare_quiet() -> Document:
    """A candidate that is better, in a document whose newer keys say nothing."""
    base, complete = compare_promote(), compare_sets()
    return base | {
        "level": 0.95,
        "correction": "holm",
        "comparisons": [_NEW_IN_COMPARISONS | row for row in base["comparisons"]],
        "ranking": complete["ranking"],
        "best": None,
        "segments": [],
        "flips": [flips(new_errors=0, fixed=0, rows=[])],
        "budget": complete["budget"] | {"known": True, "ledger": "none", "detail": ""},
        "golden_drift": complete["golden_drift"]
        | {
            "drifted": [],
            "differs": False,
            "sentence": "the golden set looks like production in all 12 columns compared",
        },
        "baseline": None,
        "disagreements": [],
    }


def compare_crowded(slices: int = 400) -> Document:
    """A comparison with too much of everything."""
    document = compare_sets()
    carriers = [row for row in document["comparisons"] if row["slice"] == {"carrier": "UA"}]
    wide = [
        row
        | {"slice": {"destination": f"airport {index:03d}", "carrier": "United Air Lines"}}
        | {"delta": -0.2 + index / 1_000, "cost": "with 94 rows this slice cannot show a loss under 0.12"}
        for index in range(slices)
        for row in carriers
    ]
    segments = [
        found_segment({"destination": f"airport {index:03d}"}, -0.05 - index / 10_000, index < 10)
        for index in range(20)
    ]
    return document | {
        "comparisons": [*document["comparisons"], *wide],
        "segments": [segment_search(segments, candidate=f"candidate {index}") for index in range(12)],
        "flips": [
            flips(candidate=f"candidate {index}") | {"new_errors": 700, "fixed": 300} for index in range(12)
        ],
        "disagreements": [f"recall for airport {index}: the sets disagree" for index in range(slices)],
        "baseline": document["baseline"] | {"notes": [f"note {index}" for index in range(slices)]},
    }


def feature(name: str, effect: float, drifted: bool, **rest: Any) -> Document:
    """One feature of a `drift-report` document."""
    row: Document = {
        "feature": name,
        "kind": "numeric",
        "test": "Kolmogorov-Smirnov",
        "statistic": 0.0731,
        "p_value": 0.00001 if drifted else 0.31,
        "adjusted_p_value": 0.00004 if drifted else 0.62,
        "effect": effect,
        "drifted": drifted,
        "detail": "",
        "distribution": {
            "labels": [f"{5 + 2 * bin} to {7 + 2 * bin}" for bin in range(9)],
            "reference": [0.08, 0.14, 0.10, 0.11, 0.13, 0.17, 0.15, 0.09, 0.03],
            "current": [0.05, 0.09, 0.09, 0.11, 0.14, 0.20, 0.18, 0.10, 0.04],
        },
    }
    return row | rest


def drift_retrain() -> Document:
    """Drift and a drop in performance: time to retrain."""
    return _document(
        "drift-report",
        "retrain",
        [
            "performance_drop: roc_auc dropped by 0.0412 (95% interval 0.0298 to 0.0526), more than 0.02",
            "2 of 4 features drifted",
        ],
        false_alarm_rate=0.01,
        min_effect=0.05,
        windows={
            "reference": {"rows": 24_951, "start": "2013-03-01T00:00:00Z", "end": "2013-04-01T00:00:00Z"},
            "current": {"rows": 28_243, "start": "2013-06-01T00:00:00Z", "end": "2013-07-01T00:00:00Z"},
        },
        features=[
            feature("distance", 0.0112, False),
            feature("dep_hour", 0.1834, True),
            feature(
                "carrier",
                0.0921,
                True,
                kind="categorical",
                test="chi-squared, two samples",
                distribution={
                    "labels": ["UA", "B6", "EV", "DL", "other"],
                    "reference": [0.174, 0.162, 0.161, 0.143, 0.36],
                    "current": [0.231, 0.151, 0.128, 0.142, 0.348],
                },
            ),
            feature(
                "origin", 0.004, False, kind="categorical", test="chi-squared, two samples", distribution=None
            ),
        ],
        multivariate=None,
        prediction_drift=feature("p_delayed", 0.0611, True),
        label_drift=None,
        performance={
            "metric": "roc_auc",
            "realised": {
                "reference": 0.7123,
                "current": 0.6711,
                "drop": 0.0412,
                "ci": [0.0298, 0.0526],
                "confidence": 0.95,
                "min_drop": 0.02,
                "rows_reference": 24_951,
                "rows_current": 28_243,
                "fired": True,
            },
            "estimated": None,
            "detail": "",
        },
        data_quality=[
            {"check": "new_categories", "column": "carrier", "detail": "1 value in 29 rows is new: YV"},
        ],
        triggers=[
            {
                "condition": "performance_drop",
                "value": 0.0412,
                "fired": True,
                "detail": "0.0412 is above 0.02",
            },
            {"condition": "new_rows >= 100000", "value": 28_243, "fired": False, "detail": "28,243 rows"},
            {
                "condition": "drift and estimated_drop",
                "value": None,
                "fired": False,
                "detail": "no estimate yet",
            },
        ],
    )


def drift_none() -> Document:
    """Nothing moved."""
    document = drift_retrain()
    document["features"] = [row | {"drifted": False, "effect": 0.01} for row in document["features"]]
    document["performance"] = {
        "metric": None,
        "realised": None,
        "estimated": None,
        "detail": "no label column",
    }
    triggers = [row | {"fired": False, "value": False} for row in document["triggers"]]
    return document | {
        "decision": "none",
        "reasons": ["no trigger fired"],
        "triggers": triggers,
        "data_quality": [],
        "prediction_drift": None,
    }


def drift_watch() -> Document:
    """Something moved, and no trigger fired."""
    document = drift_none()
    document["features"] = drift_retrain()["features"]
    return document | {"decision": "watch", "reasons": ["2 of 4 features drifted; no trigger fired"]}


def drift_many(features: int = 50, levels: int = 20) -> Document:
    """A wide report."""
    document = drift_retrain()
    labels = [f"level {level}" for level in range(levels)]
    document["features"] = [
        feature(
            f"feature_{index:02d}",
            index / 200,
            index > 25,
            distribution={
                "labels": labels,
                "reference": [(1 + (level * 7 + index) % 11) / 117 for level in range(levels)],
                "current": [(1 + (level * 5 + index) % 13) / 133 for level in range(levels)],
            },
        )
        for index in range(features)
    ]
    return document


def retrain_opened() -> Document:
    """A new model with its pull request."""
    return _document(
        "open-retrain-pr",
        "opened",
        ["performance_drop: roc_auc dropped by 0.0412 (95% interval 0.0298 to 0.0526), more than 0.02"],
        branch="tidegate/retrain/flight-delay",
        pull_request={"number": 12, "url": "https://github.com/acme/flights/pull/12", "action": "opened"},
        lineage={
            "schema": "tidegate/lineage/1",
            "model": "flight-delay",
            "digest": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "parent": {
                "version": 3,
                "digest": "5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9",
            },
            "trigger": {
                "kind": "drift",
                "reasons": [
                    "performance_drop: roc_auc dropped by 0.0412 (95% interval 0.0298 to 0.0526), more than 0.02"
                ],
            },
            "data": {
                "path": "data/2013-01_2013-06.parquet",
                "sha256": "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
                "rows": 158_418,
            },
            "training": {
                "sha256": "486ea46224d1bb4fb680f34f7c9ad96a8f24ec88be73ea8e5a6c65260e9cb8a7",
                "rows": 126_734,
                "start": "2013-01-01T05:00:00",
                "end": "2013-05-24T11:00:00",
            },
            "holdout": {
                "sha256": "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b",
                "rows": 31_684,
                "start": "2013-05-24T11:00:00",
                "end": "2013-06-30T23:00:00",
            },
            "golden": None,
            "code_commit": "9fceb02d0ae598e95dc970b74767f19372d61af8",
            "config_sha256": "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03",
            "train_command": "python train.py --data {data} --output {model_dir}",
            "trained_at": "2013-07-01T06:30:00Z",
            "tidegate_version": "0.1.0",
        },
        drift_decision="retrain",
        skipped_because=None,
        gate=gate_pass(),
        comparison=compare_promote(),
        drift=drift_retrain(),
        log_tail=["epoch 1 of 2", "epoch 2 of 2", "saved models/flight-delay/model.json"],
    )


def retrain_not_compared() -> Document:
    """A new model that nothing could be compared with."""
    return retrain_opened() | {"gate": None, "comparison": None, "drift": None}


def retrain_failed() -> Document:
    """A training that broke."""
    return retrain_opened() | {
        "decision": "failed",
        "reasons": ["train: exited with code 1 after 8.4 s"],
        "branch": None,
        "pull_request": None,
        "gate": None,
        "comparison": None,
        "log_tail": ["Traceback (most recent call last):", '  File "train.py", line 3', "", *HOSTILE],
    }


def retrain_skipped() -> Document:
    """Nothing to do."""
    return retrain_opened() | {
        "decision": "skipped",
        "reasons": ["the drift report says watch, not retrain"],
        "drift_decision": "watch",
        "skipped_because": "the drift report says watch, not retrain",
        "branch": None,
        "pull_request": None,
        "lineage": {},
        "gate": None,
        "comparison": None,
        "drift": None,
        "log_tail": [],
    }


def promoted() -> Document:
    """A model in production."""
    return _document(
        "promote",
        "promoted",
        ["version 4 is now production"],
        version=4,
        alias="production",
        commit="9fceb02d0ae598e95dc970b74767f19372d61af8",
        digest="e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    )


def _replayed(
    name: str, kind: str, values: list[float | None], retrained: list[int], **rest: Any
) -> Document:
    """One policy of a `backtest` document."""
    windows: list[Document] = [
        {
            "window": 6 + i,
            "model": f"a{i}b2c3d4e5f6",
            "value": value,
            "ci": None if value is None else [value - 0.012, value + 0.012],
            "rows": 11_873,
            "decision": "retrain" if 6 + i in retrained else "none",
            "fired": ["age > 60d"] if 6 + i in retrained else [],
            "alarm": 6 + i in retrained,
            "why": "the trigger 'age > 60d' fired" if 6 + i in retrained else "",
            "loss": None if value is None else 100 * (0.72 - value),
            "cost": 10.0,
        }
        for i, value in enumerate(values)
    ]
    retrains: list[Document] = [
        {
            "window": window,
            "model": "0a1b2c3d4e5f",
            "replaced": "f5e4d3c2b1a0",
            "why": "the trigger 'age > 60d' fired",
            "delta": 0.0412,
            "ci": [0.0301, 0.0523],
            "outcome": "better",
        }
        for window in retrained
    ]
    policy: Document = {
        "name": name,
        "kind": kind,
        "settings": {"retrain": {"when": ["age > 60d"]}},
        "retrains": retrains,
        "windows": windows,
        "alarms": len(retrained),
        "false_alarms": 0,
        "days_to_alarm": 14.0 if retrained else None,
        "days_to_retrain": 14.0 if retrained else None,
        "mean_metric": 0.6889,
        "points_lost": 10.45,
        "cost": 10_572.0,
        "ci": [0.0, 26_521.0],
        "same_as": None,
    }
    return policy | rest


def backtest() -> Document:
    """A year of which the windows cannot tell two policies apart."""
    never: list[float | None] = [0.7179, 0.6935, None, 0.6409]
    aged: list[float | None] = [0.7179, 0.6935, None, 0.7096]
    variant = _replayed("configured, consecutive 2", "variant", aged, [7], same_as="older than 60 days")
    del variant["windows"]
    return _document(
        "backtest",
        "older than 60 days",
        [
            "'older than 60 days' costs the least, 10,572 [0, 26,521]: 1 retraining and 10.45 points of the"
            " metric lost over 3 windows",
            "these windows cannot tell it from 'configured'",
            "the first model is worse from 2013-06-04 on: 0.7 on its reference, 0.6409 in that window, where 0.02"
            " counts",
        ],
        warnings=["labels take 28 days (`drift.label_delay`)"],
        metric="roc_auc",
        better="higher",
        costs={"retrain": 40.0, "point_of_metric": 1_000.0},
        label_delay_days=28.0,
        windows=[
            {
                "window": i,
                "start": f"2013-{1 + i // 2:02d}-{1 + 14 * (i % 2):02d}T00:00:00",
                "end": f"2013-{1 + (i + 1) // 2:02d}-{1 + 14 * ((i + 1) % 2):02d}T00:00:00",
                "rows": 11_873,
                "served": i >= 6,
            }
            for i in range(10)
        ],
        first=6,
        compared=[6, 7, 9],
        rows=118_730,
        models=3,
        onset={
            "window": 9,
            "at": "2013-05-15T00:00:00",
            "given": False,
            "sentence": "the first model is worse from 2013-05-15 on",
        },
        policies=[
            _replayed("configured", "configured", never, [], cost=63_224.0, ci=[2_108.0, 124_340.0]),
            _replayed("older than 60 days", "given", aged, [7]),
            _replayed("never", "baseline", never, [], cost=63_224.0, ci=None, same_as="configured"),
        ],
        thresholds=[{**variant, "retrains": [7]}],
        left_out=["always"],
        recommendation={
            "policy": "older than 60 days",
            "settings": {"retrain": {"when": ["age > 60d"]}},
            "sentence": "'older than 60 days' costs the least",
            "snippet": "retrain:\n  when: [age > 60d]\n",
            "not_told_apart": ["configured"],
        },
    )


def hostile(document: Document) -> Document:
    """Put an attack in place of every string that is not a keyword of the format."""
    hashes = {
        "sha256",
        "git_sha",
        "config_sha256",
        "commit",
        "code_commit",
        "digest",
    }  # may be shown whole, to be copied
    keywords = {
        "schema",
        "decision",
        "verdict",
        "require",
        "role",
        "kind",
        "severity",
        "state",
        "approval",
        "created_at",
        "action",
        "start",
        "end",
    }
    attacks = itertools.cycle(HOSTILE)

    def poison(tree: Any, key: str = "") -> Any:
        if isinstance(tree, dict):
            return {name: poison(value, name) for name, value in tree.items()}
        if isinstance(tree, list):
            return [poison(value, key) for value in tree]
        if not isinstance(tree, str) or key in keywords:
            return tree
        attack = next(attacks)
        return HOSTILE[0] if key in hashes and attack.isalnum() else attack

    poisoned: Document = poison(copy.deepcopy(document))
    return poisoned


SAMPLES = {
    "gate-fail": gate_fail,
    "gate-pass": gate_pass,
    "gate-inconclusive": gate_inconclusive,
    "gate-waived": gate_waived,
    "gate-warned": gate_warned,
    "gate-refused": gate_refused,
    "gate-searched": gate_searched,
    "gate-hostile": gate_hostile,
    "gate-many": gate_many,
    "compare-hold": compare_hold,
    "compare-promote": compare_promote,
    "compare-first-release": compare_first_release,
    "compare-several": compare_several,
    "compare-sets": compare_sets,
    "compare-arms": compare_arms,
    "compare-quiet": compare_quiet,
    "drift-retrain": drift_retrain,
    "drift-watch": drift_watch,
    "drift-none": drift_none,
    "retrain-opened": retrain_opened,
    "retrain-not-compared": retrain_not_compared,
    "retrain-failed": retrain_failed,
    "retrain-skipped": retrain_skipped,
    "promoted": promoted,
    "backtest": backtest,
}
