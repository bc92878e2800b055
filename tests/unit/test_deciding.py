from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from hashlib import sha256
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.drift.deciding import Decided, decide
from tidegate.drift.rules import Blackout, Policy, RetrainBudget, Rule
from tidegate.history.drift import KeptDrift, KeptWindow, KeptWindows, PastReport, condition_key

DAY = timedelta(days=1)
NOW = datetime(2026, 11, 25, 5, 23, tzinfo=UTC)  # a Wednesday
RANK = {"none": 0, "watch": 1, "retrain": 2}


def window(name: object, **more: Any) -> KeptWindow:
    return KeptWindow(sha256=sha256(str(name).encode()).hexdigest(), rows=500, **more)


def report(
    at: datetime, name: object = None, *, fired: Sequence[str] = ("drift",), acted: bool = False, **more: Any
) -> PastReport:
    current = name if isinstance(name, KeptWindow) else window(at if name is None else name)
    kept = KeptDrift(
        windows=KeptWindows(current=current),
        fired=[condition_key(text) for text in fired],
        acted=acted,
        **more,
    )
    return PastReport(at, "retrain" if acted else "watch", kept)


def policy(*when: str, severity: Any = "warning", **more: Any) -> Policy:
    return Policy(tuple(Rule.of(text, severity) for text in when or ("drift",)), **more)


def decided(rules: Policy, past: Sequence[PastReport] | None = (), **more: Any) -> Decided:
    given: dict[str, Any] = {"facts": {"drift": True}, "now": NOW, "window": window("now"), "labels": 1000}
    return decide(rules, past=past, **{**given, **more})


def held(result: Decided) -> list[str]:
    return [hold.rule for hold in result.holds]


# --- conditions


def test_a_condition_that_fires_acts() -> None:
    result = decided(policy("drift and age > 30d"), facts={"drift": True, "age": 31 * 86_400.0})
    (trigger,) = result.triggers

    assert (result.decision, result.policy_says, result.by_hand) == ("retrain", "retrain", False)
    assert result.reasons == ["the trigger 'drift and age > 30d' fired"]
    assert (trigger.value, trigger.fired, trigger.in_a_row) == (True, True, 1)
    assert trigger.detail == "age is 31 days; drift is true"
    assert (result.holds, result.possible_from) == ([], None)


def test_without_anything_nothing_is_said_to_have_changed() -> None:
    result = decided(policy(), facts={"drift": False})

    assert (result.decision, result.reasons) == (
        "none",
        ["nothing changed beyond chance and the sizes that count"],
    )


def test_what_was_noticed_is_watched() -> None:
    result = decided(policy(), facts={"drift": False}, noticed=["the labels drifted"])
    assert (result.decision, result.reasons) == ("watch", ["the labels drifted"])
    result = decided(Policy(), noticed=["the labels drifted"])
    assert result.reasons == ["the labels drifted", "no trigger policy (`retrain.when`) is configured"]


def test_what_cannot_be_settled_is_said_and_does_not_fire() -> None:
    result = decided(
        policy("performance_drop", "drift"),
        facts={"drift": False, "performance_drop": None},
        details={"performance_drop": "the current window has no labels"},
    )

    assert (result.decision, result.triggers[0].value, result.triggers[0].fired) == ("none", None, False)
    assert result.reasons[1] == (
        "1 of 2 triggers could not be settled, for want of facts: performance_drop is not known; the current window"
        " has no labels"
    )


# --- severity


def test_info_is_said_and_never_acts() -> None:
    result = decided(policy(severity="info"))

    assert (result.decision, result.holds) == ("watch", [])
    assert result.reasons == ["the info trigger 'drift' fired, which is said and does not act"]


def test_info_beside_a_warning_does_not_stand_in_the_way() -> None:
    rules = Policy((Rule.of("drift", "info"), Rule.of("new_rows > 5")))
    assert decided(rules, facts={"drift": True, "new_rows": 6.0}).decision == "retrain"


def test_critical_passes_cooldown_and_consecutive_and_says_so() -> None:
    past = [report(NOW - DAY, acted=True)]
    rules = policy(severity="critical", cooldown=7 * DAY, consecutive=3)
    result = decided(rules, past)

    assert (result.decision, result.holds, result.possible_from) == ("retrain", [], None)
    assert result.reasons[0] == "the critical trigger 'drift' fired"
    assert result.reasons[1].startswith("critical, so in spite of the rule: the last retrain was decided on")
    assert decided(replace(rules, when=policy().when), past).decision == "watch"


@pytest.mark.parametrize(
    ("rule", "more", "given"),
    [
        ("budget", {"budget": RetrainBudget(1, 30 * DAY)}, {}),
        ("blackout", {"blackout": (Blackout(days=("wed",)),)}, {}),
        ("min_labels", {"min_labels": 5000}, {}),
    ],
)
def test_critical_passes_neither_budget_nor_blackout_nor_labels(
    rule: str, more: dict[str, Any], given: dict[str, Any]
) -> None:
    result = decided(policy(severity="critical", **more), [report(NOW - DAY, acted=True)], **given)

    assert (result.decision, held(result)) == ("watch", [rule])


# --- consecutive


def test_windows_in_a_row_are_counted() -> None:
    past = [report(NOW - i * DAY) for i in (3, 2, 1)]

    assert decided(policy(), past).triggers[0].in_a_row == 4
    assert decided(policy(consecutive=4), past).decision == "retrain"
    result = decided(policy(consecutive=5), past)
    assert (result.decision, held(result)) == ("watch", ["consecutive"])
    assert "held by consecutive: 'drift' fired in 4 of 5 windows in a row" in result.reasons


def test_a_window_without_the_condition_ends_the_row() -> None:
    past = [report(NOW - 2 * DAY), report(NOW - DAY, fired=["monitor"])]
    assert decided(policy(), past).triggers[0].in_a_row == 1


def test_a_row_is_of_one_condition() -> None:
    past = [report(NOW - DAY, fired=["label_drift"])]
    result = decided(policy("drift", "label_drift", consecutive=2), past)

    assert result.decision == "watch"
    assert [trigger.in_a_row for trigger in result.triggers] == [1, 0]


def test_the_same_window_counts_once() -> None:
    past = [report(NOW - 2 * DAY + i * timedelta(minutes=7), "a") for i in range(5)]
    assert decided(policy(), past).triggers[0].in_a_row == 2
    # The newest of its reports counts.
    past.append(report(NOW - DAY, "a", fired=[]))
    assert decided(policy(), past).triggers[0].in_a_row == 1


def test_a_run_that_is_repeated_stands_where_it_stood() -> None:
    past = [report(NOW - 5 * DAY, "a"), report(NOW - 4 * DAY, "b"), report(NOW - 3 * DAY, "c", fired=[])]

    assert decided(policy(), past, window=window("b")).triggers[0].in_a_row == 2
    assert decided(policy(), [*past, report(NOW - DAY, "b")], window=window("b")).triggers[0].in_a_row == 2


def test_labels_that_come_in_do_not_make_another_window() -> None:
    times = {"start": "2026-11-01T00:00:00", "end": "2026-11-07T00:00:00"}
    past = [report(NOW - DAY, window("unlabelled", **times))]

    assert decided(policy(), past, window=window("labelled", **times)).triggers[0].in_a_row == 1
    later = {**times, "end": "2026-11-08T00:00:00"}
    assert decided(policy(), past, window=window("later", **later)).triggers[0].in_a_row == 2


def test_failed_runs_neither_count_nor_end_a_row() -> None:
    failed = PastReport(NOW - 1.5 * DAY, "failed", KeptDrift(failed="no rows"))
    past = [report(NOW - 2 * DAY), failed, report(NOW - DAY)]

    assert decided(policy(), past).triggers[0].in_a_row == 3


@pytest.mark.parametrize(("gap", "row"), [(2.9, 4), (3.0, 4), (3.2, 1), (30.0, 1)])
def test_a_long_gap_ends_a_row(gap: float, row: int) -> None:
    past = [report(NOW - (gap + i) * DAY) for i in (2, 1, 0)]
    assert decided(policy(), past).triggers[0].in_a_row == row


def test_weekends_are_no_gap_once_the_rhythm_is_known() -> None:
    days = [NOW - i * DAY for i in range(1, 29)]
    past = [report(day + timedelta(minutes=day.day)) for day in days if day.isoweekday() <= 5]
    assert decided(policy(), past).triggers[0].in_a_row == len(past) + 1
    # Two weeks without a run are one.
    past = [report(day) for day in days if not 5 <= (NOW - day).days <= 18]
    assert decided(policy(), past).triggers[0].in_a_row == 5


def test_the_configured_rhythm_goes_before_what_is_seen() -> None:
    past = [report(NOW - i * 7 * DAY) for i in (2, 1)]

    assert decided(policy(every=DAY), past).triggers[0].in_a_row == 1
    assert decided(policy(every=3 * DAY), past).triggers[0].in_a_row == 3


def test_the_order_of_past_reports_is_nothing() -> None:
    past = [report(NOW - i * DAY, acted=i == 2) for i in (3, 2, 1)]
    rules = policy(consecutive=2, cooldown=7 * DAY, budget=RetrainBudget(1, 30 * DAY))

    assert decided(rules, past) == decided(rules, past[::-1])


def test_without_a_history_a_row_cannot_be_counted() -> None:
    result = decided(policy(consecutive=2), None)

    assert result.decision == "watch"
    assert "no history of earlier windows is at hand" in result.holds[0].detail
    assert decided(policy(), None).decision == "retrain"


def test_long_conditions_are_counted_too() -> None:
    long = "drift and new_rows > 1 and " * 8 + "drift"
    facts = {"drift": True, "new_rows": 2.0}

    assert decided(policy(long), [report(NOW - DAY, fired=[long])], facts=facts).triggers[0].in_a_row == 2
    assert (
        decided(policy(long), [report(NOW - DAY, fired=[long + " "])], facts=facts).triggers[0].in_a_row == 2
    )
    assert (
        decided(policy(long), [report(NOW - DAY, fired=[long + " or monitor"])], facts=facts)
        .triggers[0]
        .in_a_row
        == 1
    )


# --- cooldown


def test_the_cooldown_says_until_when() -> None:
    result = decided(policy(cooldown=7 * DAY), [report(NOW - 2 * DAY, acted=True)])

    assert (result.decision, held(result)) == ("watch", ["cooldown"])
    assert (result.holds[0].until, result.possible_from) == ("2026-11-30T05:23:00Z",) * 2
    assert result.reasons == [
        "the trigger 'drift' fired",
        "held by cooldown: the last retrain was decided on 2026-11-23 05:23 UTC, and `retrain.cooldown` is 7 days:"
        " until 2026-11-30 05:23 UTC",
        "the next retrain is possible from 2026-11-30 05:23 UTC",
    ]


def test_what_is_said_to_be_possible_is() -> None:
    seconds = timedelta(seconds=31, microseconds=5)
    rules = policy(
        cooldown=7 * DAY, budget=RetrainBudget(1, 9 * DAY), blackout=(Blackout(days=("fri", "sat")),)
    )
    past = [report(NOW - 2 * DAY + seconds, acted=True)]
    result = decided(rules, past)
    assert result.possible_from is not None
    then = datetime.fromisoformat(result.possible_from)

    assert decided(rules, past, now=then).decision == "retrain"
    assert decided(rules, past, now=then - timedelta(minutes=1)).decision == "watch"


def test_a_decision_that_did_not_act_starts_no_cooldown() -> None:
    past = [report(NOW - DAY), replace(report(NOW - DAY / 2), decision="retrain")]
    assert decided(policy(cooldown=7 * DAY), past).decision == "retrain"


def test_the_newest_model_starts_a_cooldown_too() -> None:
    rules = policy(cooldown=7 * DAY)
    result = decided(rules, [report(NOW - 6 * DAY, acted=True)], last_retrained=NOW - 3 * DAY)

    assert result.holds[0].until == "2026-11-29T05:23:00Z"
    assert result.holds[0].detail.startswith("the newest model was trained on 2026-11-22")
    assert decided(rules, None, last_retrained=NOW - 3 * DAY).decision == "watch"
    assert decided(rules, None, last_retrained=NOW - 7 * DAY).decision == "retrain"


def test_a_cooldown_beyond_the_calendar_holds_and_does_not_crash() -> None:
    result = decided(policy(cooldown=timedelta.max), [report(NOW - DAY, acted=True)])

    assert (result.decision, result.possible_from) == ("watch", None)
    assert "no retrain is possible" in result.reasons[-1]


# --- a run that is repeated


def test_the_same_window_gets_the_same_decision_again() -> None:
    rules = policy(cooldown=7 * DAY, budget=RetrainBudget(1, 30 * DAY))
    past = [report(NOW - timedelta(minutes=40), "now", acted=True)]
    result = decided(rules, past)

    assert result.decision == "retrain"
    assert result.reasons[-1] == (
        "the retrain decision of 2026-11-25 04:43 UTC on the same window is repeated"
    )
    assert decided(rules, past, last_retrained=NOW - 8 * DAY).decision == "retrain"
    assert decided(rules, past, window=window("next")).decision == "watch"
    # Unless a model came of it.
    result = decided(rules, past, last_retrained=NOW - timedelta(minutes=5))
    assert held(result) == ["cooldown", "budget"]
    # Or a retrain of another window came between.
    past.append(report(NOW - timedelta(minutes=20), "other", acted=True))
    assert held(decided(policy(budget=RetrainBudget(2, 30 * DAY)), past)) == ["budget"]


# --- budget


def test_the_budget_says_until_when() -> None:
    past = [report(NOW - days * DAY, acted=True) for days in (31, 20, 10)]
    result = decided(policy(budget=RetrainBudget(2, 30 * DAY)), past)

    assert (result.decision, held(result)) == ("watch", ["budget"])
    assert result.holds[0].until == result.possible_from == "2026-12-05T05:23:00Z"
    assert result.holds[0].detail == (
        "2 of 2 retrains in 30 days are used (`retrain.budget`): until 2026-12-05 05:23 UTC"
    )
    assert decided(policy(budget=RetrainBudget(3, 30 * DAY)), past).decision == "retrain"


def test_the_budget_is_not_spent_where_it_cannot_be_counted() -> None:
    result = decided(policy(budget=RetrainBudget(2, 30 * DAY)), None)

    assert (result.decision, result.possible_from) == ("watch", None)
    assert "cannot be counted without a history" in result.holds[0].detail


def test_summarised_retrains_count() -> None:
    old = replace(report(NOW - 20 * DAY, acted=True), summarised=True)
    assert held(decided(policy(budget=RetrainBudget(1, 30 * DAY)), [old])) == ["budget"]


def test_a_repeated_decision_spends_nothing_but_counts_from_its_last_time() -> None:
    past = [report(NOW - 31 * DAY, "a", acted=True), report(NOW - 5 * DAY, "a", acted=True)]

    assert decided(policy(budget=RetrainBudget(2, 40 * DAY)), past).decision == "retrain"
    (hold,) = decided(policy(budget=RetrainBudget(1, 30 * DAY)), past).holds
    assert hold.until == "2026-12-20T05:23:00Z"


@pytest.mark.parametrize(("retrains", "per"), [(0, DAY), (1, timedelta(0)), (1, 401 * DAY)])
def test_budgets_that_cannot_be_kept_are_refused(retrains: int, per: timedelta) -> None:
    with pytest.raises(ValueError, match=r"budget\."):
        RetrainBudget(retrains, per)


# --- blackout


def test_a_blackout_says_why_and_until_when() -> None:
    freeze = Blackout(date(2026, 11, 20), date(2026, 11, 27), reason="year-end freeze")
    result = decided(policy(blackout=(freeze, Blackout(days=("sat", "sun")))))

    assert (result.decision, held(result)) == ("watch", ["blackout"])
    # The freeze ends on a Friday; what follows is a weekend.
    assert result.possible_from == "2026-11-30T00:00:00Z"
    assert result.holds[0].detail == (
        "no retrain today, 2026-11-25 (year-end freeze): until 2026-11-30 00:00 UTC"
    )


def test_days_are_those_of_utc() -> None:
    rules = policy(blackout=(Blackout(days=("wed",)),))
    here = datetime(
        2026, 11, 26, 1, 0, tzinfo=timezone(timedelta(hours=5))
    )  # Thursday there, Wednesday in UTC

    assert decided(rules, now=here).decision == "watch"
    assert decided(rules, now=here + timedelta(hours=4)).decision == "retrain"


@pytest.mark.parametrize(
    ("blackout", "covered"),
    [
        (Blackout(date(2026, 11, 25), date(2026, 11, 25)), True),
        (Blackout(date(2026, 11, 26), None), False),
        (Blackout(None, date(2026, 11, 24)), False),
        (Blackout(None, date(2026, 11, 25)), True),
        (Blackout(date(2026, 11, 1), date(2026, 11, 30), ("sat",)), False),
        (Blackout(date(2026, 11, 1), date(2026, 11, 30), ("wed",)), True),
        (Blackout(days=("mon", "tue")), False),
    ],
)
def test_a_blackout_covers_its_days(blackout: Blackout, covered: bool) -> None:
    assert blackout.covers(NOW.date()) is covered


def test_a_blackout_without_an_end() -> None:
    result = decided(policy(blackout=(Blackout(date(2026, 1, 1), None, reason="retired"),)))

    assert (result.decision, result.possible_from, result.holds[0].until) == ("watch", None, None)
    assert "no retrain is possible" in result.reasons[-1]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "needs `from`, `to` or `days`"),
        ({"days": ("saturday",)}, "'saturday' is no weekday"),
        ({"first": date(2026, 2, 1), "last": date(2026, 1, 1)}, "before it begins"),
        ({"days": ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}, "every day of the week"),
    ],
)
def test_blackouts_that_make_no_sense_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Blackout(**given)


# --- labels


def test_too_few_labels_hold() -> None:
    rules = policy(min_labels=5000)

    assert decided(rules, labels=5000).decision == "retrain"
    assert (
        decided(rules, labels=1).holds[0].detail
        == "1 label in the current window, fewer than min_labels 5,000"
    )
    assert "not known" in decided(rules, labels=None).holds[0].detail
    assert decided(policy(), labels=None).decision == "retrain"


def test_all_rules_that_hold_are_named() -> None:
    rules = policy(
        consecutive=3,
        cooldown=7 * DAY,
        budget=RetrainBudget(1, 30 * DAY),
        blackout=(Blackout(days=("wed",)),),
        min_labels=5000,
    )
    result = decided(rules, [report(NOW - DAY, acted=True)], noticed=["2 of 9 features drifted"])

    assert held(result) == ["consecutive", "cooldown", "budget", "blackout", "min_labels"]
    assert result.possible_from == "2026-12-24T05:23:00Z"
    assert result.reasons[-1] == "2 of 9 features drifted"


# --- by hand


def test_a_person_is_not_asked_for_permission_but_told() -> None:
    rules = policy(cooldown=7 * DAY, blackout=(Blackout(days=("wed",)),))
    result = decided(rules, [report(NOW - DAY, acted=True)], bypass=True)

    assert (result.decision, result.policy_says, result.by_hand) == ("retrain", "watch", True)
    assert result.reasons[0] == "started by hand: the policy was not asked; it would have said watch"
    assert any(reason.startswith("held by cooldown") for reason in result.reasons)
    assert decided(policy(), bypass=True).reasons[0].endswith("it would have said retrain too")
    assert decided(Policy(), bypass=True, facts={}).reasons[0].endswith("it would have said none")


# --- properties

WHEN = st.lists(
    st.builds(
        Rule.of,
        st.sampled_from(
            [
                "drift",
                "monitor",
                "new_rows > 2",
                "drift and monitor",
                "drift or new_rows >= 4",
                "age > 2d",
                "2d <= age",
            ]
        ),
        st.sampled_from(["info", "warning", "critical"]),
    ),
    max_size=3,
).map(tuple)
BLACKOUTS = st.lists(
    st.builds(
        Blackout,
        days=st.lists(st.sampled_from(["mon", "tue", "sat", "sun"]), min_size=1, max_size=3).map(tuple),
    )
    | st.builds(Blackout, first=st.just(date(2026, 11, 27)), last=st.just(date(2026, 11, 30))),
    max_size=2,
).map(tuple)
POLICIES = st.builds(
    Policy,
    when=WHEN,
    consecutive=st.integers(1, 3),
    cooldown=st.integers(0, 4).map(lambda days: days * DAY),
    min_labels=st.sampled_from([0, 3]),
    budget=st.none()
    | st.builds(RetrainBudget, st.integers(1, 3), st.integers(1, 9).map(lambda days: days * DAY)),
    blackout=BLACKOUTS,
)
FACTS = st.fixed_dictionaries(
    {
        "drift": st.sampled_from([False, None, True]),
        "monitor": st.sampled_from([False, None, True]),
        "new_rows": st.integers(0, 5).map(float),
        "age": st.integers(0, 4).map(lambda days: days * 86_400.0),
    }
)
# Hours until the next run, which window it looks at, the facts, the labels, and the hours in which a model came of it.
RUNS = st.lists(
    st.tuples(
        st.integers(1, 40), st.integers(0, 9), FACTS, st.integers(0, 5), st.none() | st.integers(0, 20)
    ),
    max_size=25,
)


Made = list[tuple[datetime, KeptWindow, Decided]]


def trained_by(now: datetime, made: Made, runs: Sequence[tuple[Any, ...]]) -> datetime | None:
    """When the newest model was trained that came of a retrain decision."""
    ends = [
        at + timedelta(hours=run[4])
        for (at, _, result), run in zip(made, runs, strict=False)
        if result.decision == "retrain" and run[4] is not None
    ]
    return max((end for end in ends if end < now), default=None)


def replay(rules: Policy, runs: Sequence[tuple[Any, ...]]) -> Made:
    past: list[PastReport] = []
    made: Made = []
    now = NOW
    for hours, name, facts, labels, _ in runs:
        now += timedelta(hours=hours)
        trained = trained_by(now, made, runs)
        result = decide(
            rules, facts, now=now, window=window(name), past=past, labels=labels, last_retrained=trained
        )
        fired = [trigger.condition for trigger in result.triggers if trigger.fired]
        past.append(report(now, name, fired=fired, acted=result.decision == "retrain"))
        made.append((now, window(name), result))
    return made


@given(POLICIES, RUNS, FACTS, FACTS, st.integers(0, 5))
@settings(max_examples=300, deadline=None)
def test_more_facts_never_make_it_do_less(
    rules: Policy, runs: Any, some: dict[str, Any], more: dict[str, Any], labels: int
) -> None:
    order = {False: 0, None: 1, True: 2}
    larger = {
        name: max(
            some[name], more[name], key=lambda fact: order[fact] if isinstance(fact, bool | None) else fact
        )
        for name in some
    }
    past = [
        report(
            at,
            where,
            fired=[t.condition for t in found.triggers if t.fired],
            acted=found.decision == "retrain",
        )
        for at, where, found in replay(rules, runs)
    ]
    now = (past[-1].at if past else NOW) + DAY
    less, most = (
        decide(rules, facts, now=now, window=window("x"), past=past, labels=labels).decision
        for facts in (some, larger)
    )

    assert RANK[most] >= RANK[less]


@given(POLICIES, RUNS)
@settings(max_examples=300, deadline=None)
def test_over_any_replay_every_rule_is_kept(rules: Policy, runs: Any) -> None:
    made = replay(rules, runs)
    acts = [(at, where) for at, where, result in made if result.decision == "retrain"]
    for at, _, result in made:
        fired = [trigger for trigger in result.triggers if trigger.fired and trigger.severity != "info"]
        if result.decision == "retrain":
            assert fired
            assert not any(each.covers(at.date()) for each in rules.blackout)
            assert any(each.in_a_row >= rules.consecutive or each.severity == "critical" for each in fired)
            assert result.holds == []
        elif fired:
            assert result.holds
    if rules.budget is not None:
        for at, _ in acts:
            within = {where.sha256 for then, where in acts if at <= then < at + rules.budget.per}
            assert len(within) <= rules.budget.retrains
    if not any(rule.severity == "critical" for rule in rules.when):
        for (before, where), (after, other) in pairwise(acts):
            assert where == other or after - before >= rules.cooldown


@given(POLICIES, RUNS)
@settings(max_examples=200, deadline=None)
def test_a_retrain_is_possible_when_it_is_said_to_be_and_not_before(rules: Policy, runs: Any) -> None:
    made = replay(rules, runs)
    past = [
        report(
            at,
            where,
            fired=[t.condition for t in found.triggers if t.fired],
            acted=found.decision == "retrain",
        )
        for at, where, found in made
    ]
    if not made or made[-1][2].possible_from is None:
        return
    now, where, result = made[-1]
    then = datetime.fromisoformat(str(result.possible_from))
    critical = any(trigger.severity == "critical" and trigger.fired for trigger in result.triggers)
    when = policy("drift", severity="critical" if critical else "warning").when
    free = replace(rules, when=when, consecutive=1, min_labels=0)
    given: dict[str, Any] = {"window": where, "last_retrained": trained_by(now, made, runs)}

    assert then > now
    assert decided(free, past, now=then, **given).decision == "retrain"
    assert decided(free, past, now=then - timedelta(minutes=1), **given).decision == "watch"
