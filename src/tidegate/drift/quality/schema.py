"""Findings about columns that need no test: what is there, of which type, and what can be no value at all."""

from collections.abc import Iterator

from tidegate.drift.quality.facts import ColumnFacts, QualityFacts
from tidegate.drift.quality.findings import Finding, shown
from tidegate.wording import number, plural


def check_schema(reference: QualityFacts, current: QualityFacts) -> Iterator[Finding]:
    """Columns that one window lacks, and those whose type changed."""
    for name in reference.columns:
        if name not in current.columns:
            yield Finding("schema", name, None, "the column is missing in the current window", "error")
    for name in current.columns:
        if name not in reference.columns:
            yield Finding("schema", name, None, "the column is new: the reference does not have it", "info")
    for name, then, now in both(reference, current):
        if then.kind == now.kind or "empty" in (then.kind, now.kind):
            continue
        if _told_by_values(then, now):
            detail = (
                f"reads as {now.kind} and was {then.kind}, which files without types do not settle: its values"
                " are not compared"
            )
            yield Finding("type", name, None, detail, "info")
        else:
            yield Finding("type", name, None, f"the type changed: was {then.kind}, is {now.kind}", "error")


def _told_by_values(then: ColumnFacts, now: ColumnFacts) -> bool:
    """Whether one is text by its type, and the other something narrower by nothing but its values."""
    return any(a.typed and a.kind == "text" and not b.typed for a, b in ((then, now), (now, then)))


def check_values(reference: QualityFacts, current: QualityFacts) -> Iterator[Finding]:
    """Infinite values, columns that both windows hold nothing or one value in, and categories without end."""
    for name, then, now in both(reference, current):
        if now.infinite:
            yield _infinite(name, then, now)
        if now.filled == 0 < current.rows and then.filled == 0 < reference.rows:
            yield Finding("all_missing", name, 1.0, "is missing in every row of both windows", "info")
        elif now.constant is not None and now.constant == then.constant:
            yield Finding(
                "constant",
                name,
                None,
                f"holds {shown(now.constant)} in every row of both windows that has a value",
                "info",
            )
        if then.kind == now.kind and then.level_count and then.levels is None:
            many = plural(then.level_count, "different value")
            detail = f"has {many} in the reference, more than the 1,000 up to which new ones are looked for"
            yield Finding("new_categories", name, None, detail, "info")


def _infinite(name: str, then: ColumnFacts, now: ColumnFacts) -> Finding:
    share = now.infinite / now.filled
    if then.infinite:
        detail = (
            f"{plural(now.infinite, 'infinite value')} ({number(100 * share)}%), as the reference has some"
        )
        return Finding("infinite", name, share, detail, "info")
    detail = f"{plural(now.infinite, 'infinite value')}, of which the reference has none; taken as missing"
    return Finding("infinite", name, share, detail)


def check_duplicates(reference: QualityFacts, current: QualityFacts) -> Iterator[Finding]:
    """Ids and rows that stand more than once within the current window."""
    rows = max(current.rows, 1)
    ids = current.ids
    if current.no_id is not None:
        yield Finding("duplicate_ids", current.no_id, None, "the current window has no such column of ids")
    if ids is not None and ids.missing:
        detail = f"{ids.missing:,} of {plural(current.rows, 'row')} have no id"
        yield Finding("missing_ids", ids.column, ids.missing / rows, detail)
    if ids is not None and ids.repeated:
        examples = ", ".join(f"{shown(value)} ({plural(count, 'row')})" for value, count in ids.examples)
        detail = f"{ids.repeated:,} of {plural(current.rows, 'row')} repeat the id of another: {examples}"
        yield Finding("duplicate_ids", ids.column, ids.repeated / rows, detail)
    if current.repeated_rows:
        share = current.repeated_rows / rows
        before = (reference.repeated_rows or 0) / max(reference.rows, 1)
        detail = f"{current.repeated_rows:,} of {plural(current.rows, 'row')} repeat another in all columns"
        # What the reference did as well is how these data are.
        usual = share <= 2 * before
        also = f", as {number(100 * before)}% of the reference do" if usual else ""
        yield Finding("duplicate_rows", None, share, detail + also, "info" if usual else "warning")


def both(reference: QualityFacts, current: QualityFacts) -> Iterator[tuple[str, ColumnFacts, ColumnFacts]]:
    """Columns that both windows have."""
    for name, then in reference.columns.items():
        if name in current.columns:
            yield name, then, current.columns[name]
