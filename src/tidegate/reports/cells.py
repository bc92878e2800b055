"""The cells and phrases of the Markdown reports: results in, escaped Markdown out."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tidegate.reports import drift, figures, gate, ranking
from tidegate.reports.drift_tracked import Followed, Gauge
from tidegate.reports.escape import SENTENCE_LIMIT, Safe, code, md
from tidegate.reports.verdicts import MARKS, Tone, category, check_tone, count, outcome_of, tone_of

Row = Mapping[str, Any]

_REQUIREMENTS = {"non_inferior": "non-inferior", "not_inferior": "not inferior"}


def sentence(text: Any) -> Safe:
    """Escape a sentence of ours, which may quote hostile names."""
    return md(str(text), limit=SENTENCE_LIMIT)


def word(verdict: Any) -> Safe:
    """Write a verdict as a word with a mark; one that needs attention is bold."""
    return _marked(str(verdict), tone_of(str(verdict)))


def judged(check: Row) -> Safe:
    """Write a check's verdict, marked by whether it blocks, and under it that it is waived."""
    return _perhaps_waived(_marked(str(check.get("verdict")), check_tone(check)), check)


def severity(finding: Row) -> Safe:
    """Write how heavily a finding weighs, as a word with a mark, and under it that it is waived."""
    level = str(finding.get("severity"))
    return _perhaps_waived(_marked(level, gate.severity_tone(level)), finding)


def _perhaps_waived(text: Safe, row: Row) -> Safe:
    return Safe(f"{text}<br>{_marked('waived', 'act')}") if row.get("waiver") else text


def outcome(comparison: Row) -> Safe:
    """Write a comparison's verdict, marked by whether it meets what was required of it."""
    return _marked(str(comparison.get("verdict")), outcome_of(comparison))


def _marked(verdict: str, tone: Tone) -> Safe:
    text = f"{MARKS[tone]}\N{NO-BREAK SPACE}{md(verdict.replace('_', '-'))}"
    return Safe(text if tone in ("go", "note") else f"**{text}**")


def measure(row: Row) -> Safe:
    """Name what is measured: metric, column, groups and settings."""
    name = code(gate.name(row))
    if row.get("column") is not None:
        name = Safe(f"{name} of {code(str(row['column']))}")
    by = gate.grouped_by(row)
    if by:
        name = Safe(f"{name} by {' × '.join(map(code, by))}")
    if row.get("options"):
        name = Safe(f"{name} ({settings(row['options'])})")
    return name


def subject(row: Row) -> Safe:
    """Name what a check, a waiver or a comparison is about: what is measured, slice and evaluation set."""
    name = measure(row)
    parts = [f"worst of {count(row['worst_of'], 'slice')}"] if row.get("worst_of") is not None else []
    parts += [slice_name(row["slice"])] if row.get("slice") else []
    if parts:
        name = Safe(f"{name}, {': '.join(parts)}")
    if row.get("severity") in ("warn", "info"):
        name = Safe(f"{name} ({md(row['severity'])} only)")
    if row.get("set") is not None:
        name = Safe(f"{name} on {code(str(row['set']))}")
    return name


def check_name(check: Row) -> Safe:
    """Name a check and, under it, the waiver that covers it."""
    return _over_waiver(subject(check), check)


def finding_name(finding: Row) -> Safe:
    """Name a finding and, under it, the waiver that covers it."""
    return _over_waiver(measure(finding), finding)


def warning(row: Row) -> Safe:
    """Name a check or a finding that warns, and say what of."""
    name = subject({**row, "severity": None}) if "metric" in row else measure(row)
    return Safe(f"{name}: {sentence(gate.warning(row))}")


def _over_waiver(name: Safe, row: Row) -> Safe:
    waiver = row.get("waiver")
    return Safe(f"{name}<br>{sentence(gate.waived_until(waiver))}") if waiver else name


def settings(options: Mapping[str, Any]) -> Safe:
    """Write the settings of a metric: `at` 100, `binning` quantile."""
    return Safe(", ".join(f"{md(str(name))} {_setting(value)}" for name, value in options.items()))


def _setting(value: Any) -> str:
    return md(value) if isinstance(value, str) else figures.setting(value)


def value(check: Row) -> Safe:
    """Write what a check found; violations as they were counted."""
    form = figures.setting if ranking.is_expectation(check) else figures.number
    return Safe(form(check.get("value")))


def slice_name(where: Mapping[str, Any] | None) -> Safe:
    """Name a slice: `carrier` = `UA`."""
    if not where:
        return Safe("all rows")
    return Safe(" and ".join(f"{code(column)} = {code(category(value))}" for column, value in where.items()))


def needs(check: Row) -> Safe:
    """Write a check's threshold."""
    bound = ranking.threshold(check)
    if bound is None:
        return Safe("–")
    return Safe(f"{'≥' if bound[0] == 'min' else '≤'} {figures.setting(bound[1])}")


def required(comparison: Row) -> Safe:
    """Write what is required of a comparison."""
    requirement = str(comparison.get("require"))
    text = md(_REQUIREMENTS.get(requirement, requirement))
    margin, relative = comparison.get("margin"), comparison.get("relative_margin")
    share = f" ({figures.share(relative)} of production)" if relative else ""
    return Safe(f"{text} within {figures.setting(margin)}{share}" if margin else text)


def evidence(check: Row) -> Safe:
    """Write a check's interval with its bar or, without one, what there is to say instead."""
    bounds, distance = ranking.cleared_interval(check), ranking.clearance(check)
    if bounds is None or distance is None:
        return sentence(check.get("detail") or "") if check.get("verdict") != "pass" else Safe("")
    bar = figures.interval_bar(distance, bounds)
    return Safe(f"<code>{bar}</code> {unbroken(Safe(figures.interval(check['ci'])))}")


def difference(comparison: Row) -> Safe:
    """Write a comparison's interval with its bar or, without one, what there is to say instead."""
    delta, ci = comparison.get("delta"), comparison.get("ci")
    if delta is None or ci is None:
        return sentence(comparison.get("detail") or "")
    bar = figures.interval_bar(delta, ci, margin=comparison.get("margin") or 0.0)
    return Safe(f"<code>{bar}</code> {unbroken(Safe(figures.interval(ci, sign=True)))}")


def unbroken(text: Safe) -> Safe:
    """Keep a figure on one line."""
    return Safe(text.replace(" ", "\N{NO-BREAK SPACE}"))


def drop(row: Row) -> Safe:
    """Write the interval of a drop, and draw it as a loss, left of zero, with the loss that is accepted."""
    if row.get("drop") is None:
        return Safe("–")
    low, high = row.get("ci") or (row["drop"], row["drop"])
    bar = figures.interval_bar(-row["drop"], (-high, -low), margin=row.get("min_drop") or 0.0)
    bounds = Safe(figures.interval(row.get("ci"), sign=True))
    return Safe(f"<code>{bar}</code> {unbroken(bounds)}")


def toned(text: Any, tone: Tone) -> Safe:
    """Write a word with the mark of its tone; one that needs attention is bold."""
    return _marked(str(text), tone)


def weight(row: Row) -> Safe:
    """Write how heavily a finding about data, or a trigger, weighs."""
    level = str(row.get("severity"))
    return _marked(level, drift.severity_tone(level))


def column(row: Row) -> Safe:
    """Name a column that was tested, what it is when it is no feature, and what changed in it."""
    of, name = row.get("of"), str(row.get("feature"))
    text = Safe(f"**{md(str(of))}**") if of else Safe("")
    if of != name:
        text = Safe(f"{text} {code(name)}".strip())
    # Without the space a name and a number would be a reference to a ticket.
    return Safe("<br> ".join([text, *map(sentence, row.get("changes") or ())]))


def followed(row: Followed) -> Safe:
    """Name what is followed from report to report."""
    name = code(str(row.about.get("name")))
    where = f", {slice_name(row.about['slice'])}" if row.about.get("slice") else ""
    return Safe(f"{name}{where}")


def trend(row: Followed) -> Safe:
    """Draw how a figure moved from report to report, and say it."""
    line = f"<code>{figures.trend(row.values)}</code>" if len(row.values) > 1 else ""
    words = toned(row.trend, row.trend_tone) if row.trend_tone == "act" else md(row.trend)
    return Safe(" ".join(part for part in (line, words) if part))


def spark(values: Sequence[float]) -> Safe:
    """Draw shares of one from left to right."""
    return Safe(f"<code>{figures.sparkline(values, 1.0)}</code>")


def gauge(of: Gauge) -> Safe:
    """Draw a monitor's evidence against its threshold."""
    return Safe(f"<code>{figures.gauge_bar(of.value, of.threshold)}</code>")


def confidence(rows: Sequence[Row]) -> Safe:
    """Say at which confidence the rows' intervals hold: `95%`, or `90% to 99%` when they differ."""
    levels = sorted({row["confidence"] for row in rows if isinstance(row.get("confidence"), float)})
    ends = levels if len(levels) < 2 else [levels[0], levels[-1]]
    return Safe(" to ".join(figures.share(level) for level in ends))


def shape(distribution: Row | None) -> Safe:
    """Draw a feature's distribution in both windows, and say what changed most."""
    most = ranking.most_changed(distribution) if distribution else None
    if distribution is None or most is None:
        return Safe("–")
    label, before, after = most
    text = f"{code(str(label))} {figures.share(before)} → {figures.share(after)}"
    if not 2 <= len(distribution["labels"]) <= 24:
        return Safe(text)
    top = max(*distribution["reference"], *distribution["current"])
    lines = (figures.sparkline(distribution[window], top) for window in ("reference", "current"))
    return Safe(f"<code>{' → '.join(lines)}</code><br>{text}")


def flatten(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Walk nested mappings and lists down to their scalars, each with its dotted path."""
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from flatten(value, f"{path}.{key}" if path else str(key))
    elif isinstance(tree, list | tuple):
        for index, value in enumerate(tree):
            yield from flatten(value, f"{path}[{index}]")
    else:
        yield path, tree
