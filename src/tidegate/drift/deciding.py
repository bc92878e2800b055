"""The trigger policy: from facts and past reports to ``retrain``, ``watch`` or ``none``, with every rule that held.

Pure. What each severity may do:

- ``info`` is said and never acts;
- ``warning`` (the default) acts when it fired in `consecutive` windows in a row and no rule holds;
- ``critical`` acts at once and past the cooldown. It does not pass the budget (what a bad night may cost at most), a
  blackout (nobody is there) or `min_labels` (a model from too few labels is no remedy); a person does.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from tidegate.drift.holding import Act, Hold, acts_of, next_possible, rules_that_hold
from tidegate.drift.policy import Fact, shown
from tidegate.drift.rhythm import SeenWindow, rhythm, same_window, seen_windows
from tidegate.drift.rules import Policy, Rule, Severity
from tidegate.history.drift import KeptWindow, PastReport, condition_key
from tidegate.wording import plural

Decision = Literal["retrain", "watch", "none"]

_GAP = 3
"""Times the usual distance between windows that ends a row."""
_GRACE = timedelta(hours=1)
"""Runs start late when runners are scarce."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """One condition of the policy.

    Attributes:
        value: None says that the facts at hand do not settle it.
        in_a_row: windows in a row that it fired in, this one included; 0 where it did not fire.
    """

    condition: str
    value: bool | None
    fired: bool
    detail: str
    severity: Severity
    in_a_row: int


@dataclass(frozen=True, slots=True)
class Decided:
    """What the policy says.

    Attributes:
        reasons: sentences, the most important first.
        holds: rules that kept a condition that fired from acting.
        possible_from: from when a retrain is possible in time, UTC; None where no time stands in the way, or for ever.
        by_hand: a person started it and the policy was not asked.
        policy_says: what the policy says, which is the decision unless a person overrode it.
    """

    decision: Decision
    reasons: list[str]
    triggers: list[Trigger]
    holds: list[Hold]
    possible_from: str | None
    by_hand: bool
    policy_says: Decision


def decide(
    policy: Policy,
    facts: Mapping[str, Fact],
    *,
    now: datetime,
    window: KeptWindow | None = None,
    past: Sequence[PastReport] | None = None,
    labels: int | None = None,
    last_retrained: datetime | None = None,
    noticed: Sequence[str] = (),
    details: Mapping[str, str] | None = None,
    bypass: bool = False,
) -> Decided:
    """Apply the trigger policy to one report.

    A run that is repeated on the window of the newest retrain decision gets that decision again, since a job that
    failed after it must be able to go on; it spends no budget twice.

    Args:
        policy: conditions and rules.
        facts: by name; ``age`` in seconds, None where not known.
        now: time of the report, with its time zone.
        window: the current window.
        past: earlier reports in any order; None where no history is kept.
        labels: that the current window has; None where not known.
        last_retrained: when the newest model was trained.
        noticed: what a reader must know whatever the policy says; something to watch.
        details: sentences about facts, by their name.
        bypass: a person asks for a retrain.
    """
    seen = seen_windows(past or ())
    triggers = [_trigger(rule, facts, details or {}, now, window, seen, policy) for rule in policy.when]
    asked = _policy_says(policy, triggers, now, window, past, labels, last_retrained, noticed)
    if not bypass:
        return asked
    too = " too" if asked.decision == "retrain" else ""
    said = f"started by hand: the policy was not asked; it would have said {asked.decision}{too}"
    return replace(asked, decision="retrain", reasons=[said, *asked.reasons], by_hand=True)


def _policy_says(
    policy: Policy,
    triggers: list[Trigger],
    now: datetime,
    window: KeptWindow | None,
    past: Sequence[PastReport] | None,
    labels: int | None,
    last_retrained: datetime | None,
    noticed: Sequence[str],
) -> Decided:
    fired = [trigger for trigger in triggers if trigger.fired]
    acting = [trigger for trigger in fired if trigger.severity != "info"]
    ready = [each for each in acting if each.severity == "critical" or each.in_a_row >= policy.consecutive]
    critical = any(trigger.severity == "critical" for trigger in ready)
    acts = None if past is None else acts_of(past)
    repeated = _repeated(acts, window, last_retrained)
    if acts and repeated:
        acts = acts[:-1]
    holds: list[Hold] = []
    overridden: list[Hold] = []
    if acting and not ready:
        holds.append(_too_few(acting, policy, kept=past is not None))
    if acting:
        held = rules_that_hold(policy, now, acts, labels, last_retrained)
        overridden = [hold for hold in held if hold.rule == "cooldown" and critical]
        holds += [hold for hold in held if hold not in overridden]
    retrain = bool(ready) and not holds
    decision: Decision = "retrain" if retrain else "watch" if fired or noticed else "none"
    times, possible = (
        next_possible(policy, now, acts, last_retrained, critical=critical) if holds else ("", None)
    )
    reasons = [
        *(_named(trigger) for trigger in fired),
        *(f"critical, so in spite of the rule: {hold.detail}" for hold in overridden),
        *([repeated] if retrain and repeated else []),
        *(f"held by {hold.rule}: {hold.detail}" for hold in holds),
        *([times] if times else []),
        *noticed,
        *_asides(policy, triggers, decision),
    ]
    return Decided(decision, reasons, triggers, holds, possible, False, decision)


def _trigger(
    rule: Rule,
    facts: Mapping[str, Fact],
    details: Mapping[str, str],
    now: datetime,
    window: KeptWindow | None,
    seen: Sequence[SeenWindow],
    policy: Policy,
) -> Trigger:
    condition = rule.condition
    value = condition.evaluate(facts)
    named = sorted(condition.facts)
    said = [f"{name} is {shown(name, facts.get(name))}" for name in named]
    said += [details[name] for name in named if name in details]
    row = _in_a_row(condition_key(condition.text), now, window, seen, policy) if value else 0
    return Trigger(condition.text, value, value is True, "; ".join(said), rule.severity, row)


def _in_a_row(
    key: str, now: datetime, window: KeptWindow | None, seen: Sequence[SeenWindow], policy: Policy
) -> int:
    """Distinct windows without a long gap, up to and with this one, in each of which the condition fired."""
    times = [each.first for each in seen]
    place = next((i for i, each in enumerate(seen) if same_window(each.window, window)), None)
    # A window that is looked at again stands where it stood.
    before, later = (seen, now) if place is None else (seen[:place], times[place])
    known = rhythm(times, policy.every)
    limit = None if known is None else max(_GAP * known.usual, 1.5 * known.long) + _GRACE
    row = 1
    for each in reversed(before):
        if key not in each.newest.kept.fired or (limit is not None and later - each.first > limit):
            break
        row, later = row + 1, each.first
    return row


def _repeated(
    acts: Sequence[Act] | None, window: KeptWindow | None, last_retrained: datetime | None
) -> str | None:
    """That this window has brought about the newest retrain decision, which no model came from yet."""
    if not acts or not same_window(acts[-1].window, window):
        return None
    if last_retrained is not None and last_retrained >= acts[-1].first:
        return None
    return f"the retrain decision of {acts[-1].first:%Y-%m-%d %H:%M} UTC on the same window is repeated"


def _too_few(acting: Sequence[Trigger], policy: Policy, *, kept: bool) -> Hold:
    best = max(acting, key=lambda trigger: trigger.in_a_row)
    detail = (
        f"'{best.condition}' fired in {best.in_a_row:,} of {plural(policy.consecutive, 'window')} in a row"
    )
    return Hold(
        "consecutive", None, detail if kept else f"{detail}: no history of earlier windows is at hand"
    )


def _named(trigger: Trigger) -> str:
    weight = "" if trigger.severity == "warning" else f"{trigger.severity} "
    only = ", which is said and does not act" if trigger.severity == "info" else ""
    return f"the {weight}trigger '{trigger.condition}' fired{only}"


def _asides(policy: Policy, triggers: Sequence[Trigger], decision: Decision) -> Iterator[str]:
    if decision == "none":
        yield "nothing changed beyond chance and the sizes that count"
    open_ones = [trigger for trigger in triggers if trigger.value is None]
    if open_ones:
        yield (
            f"{len(open_ones):,} of {plural(len(triggers), 'trigger')} could not be settled, for want of facts:"
            f" {'; '.join(trigger.detail for trigger in open_ones[:3])}"
        )
    if not policy.when and decision == "watch":
        yield "no trigger policy (`retrain.when`) is configured"
