import base64
import hashlib
import json
import os
import re
import subprocess
import sys
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import report_documents as documents
from hypothesis import given, settings
from hypothesis import strategies as st
from report_documents import HOSTILE, SAMPLES, check
from test_escape import REFERENCES, ZERO_WIDTH, Page, github
from workspace import CONFIG, Workspace, rows, workspace

from tidegate import reports
from tidegate.reports.github_markdown import _environment as markdown_environment

__all__ = ["workspace"]

SNAPSHOTS = Path(__file__).with_name("snapshots")
PAGES = [
    "gate-fail",
    "gate-waived",
    "gate-warned",
    "gate-refused",
    "gate-hostile",
    "compare-hold",
    "compare-several",
    "compare-sets",
    "compare-arms",
    "drift-retrain",
    "retrain-opened",
    "promoted",
    "backtest",
]

Renderer = Callable[[dict[str, Any]], str]


def check_snapshot(name: str, text: str) -> None:
    path = SNAPSHOTS / name
    if os.environ.get("TIDEGATE_UPDATE_SNAPSHOTS") == "1":
        path.write_text(text, encoding="utf-8", newline="\n")
    assert text == path.read_text(encoding="utf-8"), (
        "set TIDEGATE_UPDATE_SNAPSHOTS=1, then read the difference"
    )


@pytest.mark.parametrize("name", SAMPLES)
def test_markdown_looks_as_it_did(name: str) -> None:
    check_snapshot(f"{name}.md", reports.markdown(SAMPLES[name]()))


@pytest.mark.parametrize("name", PAGES)
def test_html_looks_as_it_did(name: str) -> None:
    check_snapshot(f"{name}.html", reports.html(SAMPLES[name]()))


@pytest.mark.parametrize("name", SAMPLES)
def test_terminal_looks_as_it_did(name: str) -> None:
    check_snapshot(f"{name}.txt", reports.terminal(SAMPLES[name](), color=False) + "\n")


@pytest.mark.parametrize("name", ["retrain-opened", "retrain-not-compared"])
def test_pull_request_body_looks_as_it_did(name: str) -> None:
    check_snapshot(f"body-{name}.md", reports.pull_request_body(SAMPLES[name]()))


@pytest.mark.parametrize("name", ["retrain-opened", "retrain-not-compared"])
def test_model_card_looks_as_it_did(name: str) -> None:
    check_snapshot(f"card-{name}.md", reports.model_card(SAMPLES[name]()))


RENDERERS: dict[str, Renderer] = {
    "markdown": lambda document: reports.markdown(document, limit=None),
    "body": reports.pull_request_body,
    "card": reports.model_card,
}
OWN_TAGS = {
    *("h1", "h2", "h3", "p", "ul", "li", "blockquote", "strong", "em", "code", "pre", "br", "small", "a"),
    *("table", "thead", "tbody", "tr", "th", "td", "details", "summary"),
}


@pytest.mark.parametrize(
    ("name", "renderer"),
    [(name, "markdown") for name in SAMPLES if name != "gate-many"]
    + [(name, kind) for name in SAMPLES if name.startswith("retrain") for kind in ("body", "card")],
)
def test_hostile_strings_do_nothing_in_markdown(name: str, renderer: str) -> None:
    markdown = RENDERERS[renderer](documents.hostile(SAMPLES[name]()))
    page = github(markdown)

    assert set(page.tags) <= OWN_TAGS - {"a"}
    assert {key for key, _ in page.attributes} <= {"align", "open"}
    assert page.comments == []
    assert REFERENCES.findall(page.text) == []
    assert not any(text in markdown for text in HOSTILE[:-1])
    assert not any(unicodedata.category(character)[0] == "C" for character in markdown if character != "\n")
    rows = [row for row in markdown.splitlines() if row.startswith("|")]
    assert page.tags.count("tr") + page.tags.count("table") == len(rows)


def test_only_an_address_of_a_pull_request_becomes_a_link() -> None:
    def links(url: str) -> list[str | None]:
        document = documents.retrain_opened()
        document["pull_request"]["url"] = url
        return [value for key, value in github(reports.markdown(document)).attributes if key == "href"]

    assert links("https://github.com/acme/flights/pull/12") == ["https://github.com/acme/flights/pull/12"]
    assert links("http://127.0.0.1:8080/acme/flights/pull/12") == [
        "http://127.0.0.1:8080/acme/flights/pull/12"
    ]
    assert links("javascript:alert(1)//github.com/a/b/pull/1") == []
    assert links("https://github.com/acme/flights/pull/12) [x](https://evil.example") == []
    assert links("https://github.com@evil.example/a/b/pull/1") == []


@pytest.mark.parametrize("name", SAMPLES)
def test_html_holds_nothing_active_and_asks_for_nothing(name: str) -> None:
    html = reports.html(documents.hostile(SAMPLES[name]()))
    page = Page(html)

    assert not {"script", "img", "link", "iframe", "object", "base", "form", "a"} & set(page.tags)
    assert not [key for key, _ in page.attributes if key.startswith("on") or key in ("src", "href", "style")]
    assert page.comments == []
    assert not any(unicodedata.category(character)[0] == "C" for character in html if character != "\n")
    style = re.findall("<style>(.*?)</style>", html, re.DOTALL)
    assert len(style) == 1
    assert "url(" not in style[0]
    assert "@import" not in style[0]
    policy = next(str(value) for key, value in page.attributes if "default-src" in str(value))
    allowed = base64.b64encode(hashlib.sha256(style[0].encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{allowed}'; base-uri 'none'; form-action 'none'"


@pytest.mark.parametrize("name", SAMPLES)
def test_html_can_be_read_without_seeing_it(name: str) -> None:
    page = Page(reports.html(SAMPLES[name]()))
    headings = [int(tag[1]) for tag in page.tags if re.fullmatch("h[1-6]", tag)]

    assert headings[0] == 1
    assert headings.count(1) == 1
    assert all(later <= earlier + 1 for earlier, later in pairwise(headings))
    assert ("lang", "en") in page.attributes
    assert page.tags.count("th") == [key for key, _ in page.attributes].count("scope")
    assert page.tags.count("svg") == [key for key, _ in page.attributes].count("aria-hidden")


def test_html_stays_small() -> None:
    assert len(reports.html(documents.gate_many(50 * 20)).encode()) < 500_000
    assert len(reports.html(documents.drift_many(50, 20)).encode()) < 200_000
    assert len(reports.html(documents.gate_fail()).encode()) < 20_000


def body_rows(markdown: str) -> list[str]:
    return [line for line in markdown.splitlines() if re.match(r"\| (\*\*)?[✓✗?–]", line)]


@pytest.mark.parametrize("limit", [65_000, 20_000, 5_000, 3_000, 2_000])
@pytest.mark.parametrize("slices", [500, 5_000])
def test_a_long_report_shows_less_worst_first_and_says_so(slices: int, limit: int) -> None:
    document = documents.gate_many(slices)
    document["checks"].reverse()
    markdown = reports.markdown(document, limit=limit)
    rows = body_rows(markdown)
    left_out = re.search(r"_([\d,]+) checks left out here", markdown)

    assert len(markdown.encode()) <= limit
    assert left_out
    assert len(rows) + int(left_out[1].replace(",", "")) == slices
    assert "evaluate-gate.html" in markdown
    assert [f"airport {index:03d}" in row for index, row in enumerate(rows)] == [True] * len(rows)
    assert markdown.startswith("## Gate: fail · ")
    assert markdown.count("<details") == markdown.count("</details>")
    assert len(rows) >= limit // 1_500 - 2


def test_a_limit_counts_bytes() -> None:
    document = documents.gate_many(400)
    for row in document["checks"]:
        row["slice"] = {"空港": "東京国際空港" * 6}

    assert len(reports.markdown(document).encode()) <= 65_000


def test_without_a_limit_every_row_is_there() -> None:
    assert len(body_rows(reports.markdown(documents.gate_many(5_000), limit=None))) == 5_000
    assert "left out" not in reports.markdown(documents.gate_many(40))


def test_even_the_tightest_limit_leaves_the_verdict() -> None:
    markdown = reports.markdown(documents.gate_hostile(), limit=1)

    assert markdown.startswith("## Gate: fail · ")
    assert "14 checks: 13 fail (1 waived), 1 skipped." in markdown
    assert len(markdown.encode()) < 4_000


@pytest.mark.parametrize("limit", [65_000, 20_000, 6_000, 3_000])
def test_too_much_of_everything_still_fits_and_keeps_what_must_not_be_missed(limit: int) -> None:
    document = documents.gate_crowded()
    markdown = reports.markdown(document, limit=limit)
    body = reports.pull_request_body(documents.retrain_opened() | {"gate": document}, limit=limit + 6_000)

    assert len(markdown.encode()) <= limit
    assert len(body.encode()) <= limit + 6_000
    assert markdown.count("<details") == markdown.count("</details>")
    for text in (markdown, body):
        assert "> **60 failing checks are waived and do not block**" in text
        assert "> **50 waivers have expired and do not work**" in text
        assert "_This report was shortened" in text
        assert re.search(r"findings? left out here", text)
    assert len(reports.html(document).encode()) < 1_200_000


def test_too_much_of_everything_hostile_still_fits() -> None:
    markdown = reports.markdown(documents.hostile(documents.gate_crowded()))

    assert len(markdown.encode()) <= 65_000
    assert "> **60 failing checks are waived and do not block**" in markdown
    assert len(body_rows(markdown)) > 8


def test_what_is_left_out_of_a_crowded_report_is_the_least_pressing() -> None:
    document = documents.gate_crowded()
    document["discovered"] = document["discovered"][:1]
    markdown = reports.markdown(document)
    segments = re.findall(
        r"airport (\d+)</code> and", markdown[markdown.index("**Segments nobody listed**") :]
    )
    left_out = re.search(r"_([\d,]+) slices left out here", markdown)

    assert [int(number) for number in segments] == list(range(len(segments)))
    assert len(segments) >= 20
    assert left_out
    assert int(left_out[1]) + len(segments) == 300


def test_waivers_are_loud_in_every_rendering() -> None:
    document = documents.gate_waived()
    markdown = reports.markdown(document)
    html, terminal = reports.html(document), reports.terminal(document, color=False)
    row = next(line for line in markdown.splitlines() if line.startswith("| **✗"))

    assert "1 fail (waived), 9 pass" in markdown.split("\n")[3]
    assert "> [!WARNING]\n> **1 failing check is waived and does not block**\n" in markdown
    assert "waived until 2026-12-31 by &#64;&#8203;ana: thin traffic in winter" in row
    assert html.index("! 1 failing check is waived and does not block</h2>") < html.index("<h2>Checks</h2>")
    assert '<b class="act">! waived</b>' in html
    assert "\n  ! recall carrier=UA: waived until 2026-12-31 by @ana: thin traffic in winter" in terminal
    assert "\n  fail, waived  recall carrier=UA" in terminal
    assert "\x1b[33m  ! recall carrier=UA" in reports.terminal(document, color=True)


def test_checks_under_one_waiver_are_told_together() -> None:
    document = documents.gate_waived()
    waived = next(row for row in document["checks"] if row.get("waiver"))
    thin = waived | {"verdict": "inconclusive", "slice": {"carrier": "YV"}}
    document["checks"] += [
        thin,
        waived | {"slice": {"carrier": "B6"}},
        waived | {"waiver": documents.ANA | {"owner": "bo"}},
    ]
    markdown = reports.markdown(document)
    told = [line for line in markdown.splitlines() if line.startswith("> - ") and "waived until" in line]

    assert "> **3 failing checks and 1 inconclusive check are waived and do not block**" in markdown
    assert ["and 2 more:" in line for line in told] == [True, False]


def test_warnings_are_loud_in_every_rendering() -> None:
    document = documents.gate_warned()
    headline = "2 failing checks, 1 inconclusive check and 1 finding warn and do not block"
    words = [
        "2 is above the maximum 0; flight_id 90211, 90377",
        "fails at 0.0712, needs at most 0.05",
        "0.3422 (0.2704 to 0.4155), the interval does not clear the minimum 0.4",
    ]
    markdown, html = github(reports.markdown(document)).text.replace(ZERO_WIDTH, ""), reports.html(document)
    terminal = reports.terminal(document, color=False)

    assert headline in markdown
    assert f"<h2>! {headline}</h2>" in html
    for text in (markdown, html):
        top = text[: text.index("threshold")]
        assert [word in top for word in words] == [True] * 3
        assert "and 1 more warning" in top
        assert "2013" not in top.split("warn and do not block")[1]
        assert "every row has the value 2013" in text
    shouted = [line for line in terminal.splitlines() if line.startswith("  ! warning: ")]
    assert [word in line for word, line in zip(words, shouted, strict=False)] == [True, True]
    assert "  and 2 more warnings" in terminal.splitlines()


def test_warnings_and_waivers_share_one_box() -> None:
    for name in ("gate-waived", "gate-warned", "gate-searched"):
        markdown, html = reports.markdown(SAMPLES[name]()), reports.html(SAMPLES[name]())
        verdict, box, *rest = markdown.split("\n\n")[1:]

        assert verdict.startswith("> [!")
        assert box.startswith("> [!WARNING]\n> **")
        assert re.search(r"\*\*.* waived and do(es)? not block\*\*", box)
        assert re.search(r"\*\*.* warns? and do(es)? not block\*\*", box)
        assert not [part for part in rest if part.startswith("> ")]
        assert html.count('class="banner') == 1


def test_only_what_warns_is_told_as_a_warning() -> None:
    document = documents.gate_pass()
    document["checks"].append(check("recall", 0.1, "fail", severity="info"))
    for renderer in (reports.markdown, reports.html, partial(reports.terminal, color=False)):
        assert "not block" not in renderer(document)
        assert "! " not in renderer(document)

    document["checks"][-1]["severity"] = "warn"
    assert "**1 failing check warns and does not block**" in reports.markdown(document)
    assert "! 1 failing check warns and does not block</h2>" in reports.html(document)


def test_what_informs_warns_and_blocks_looks_different() -> None:
    tops, cells, colors = [], [], []
    for severity in ("block", "warn", "info"):
        document = documents.gate_pass()
        document["checks"] = [check("recall", 0.1, "fail", severity=severity)]
        tops.append(reports.markdown(document).split("\n")[3].split("— ")[1])
        cells.append(re.findall('<td class="w">(.*?)</td>', reports.html(document))[0])
        colors.append(re.findall(r"\x1b\[(\d+)m(fail.*?)\x1b", reports.terminal(document, color=True))[0])

    assert tops == ["1 check: 1 fail.", "1 check: 1 fail (warn only).", "1 check: 1 fail (info only)."]
    assert cells == ['<b class="stop">✗ fail</b>', '<b class="act">! fail</b>', '<b class="note">– fail</b>']
    assert [(code, text.strip()) for code, text in colors] == [
        ("31", "fail"),
        ("33", "fail, warn"),
        ("36", "fail, info"),
    ]


@pytest.mark.parametrize("renderer", [reports.markdown, reports.html, partial(reports.terminal, color=False)])
def test_a_waiver_for_long_says_so(renderer: Renderer) -> None:
    text = renderer(documents.gate_warned())

    assert "waived until 2099-12-31 (more than a year ahead) by " in text
    assert "(more than a year ahead)" not in renderer(documents.gate_waived())


def test_a_correction_over_more_slices_than_tested_says_so() -> None:
    document = documents.gate_warned()
    wider = "corrected by Holm (1979) over 6,120 slices, which counts pairs that were not combined."

    assert wider in reports.markdown(document)
    assert wider in reports.html(document)
    assert "412 slices searched, corrected for 6,120." in reports.terminal(document, color=False)
    for number in (None, 412, 3):
        document["discovered"][0]["corrected_for"] = number
        assert "over all of them." in reports.markdown(document)


@pytest.mark.parametrize(("count", "named"), [(0, 0), (1, 1), (10, 10), (25, 9)])
def test_a_runner_is_given_a_bounded_number_of_annotations(
    workspace: Workspace, count: int, named: int
) -> None:
    checks = "".join(f"      - {{metric: accuracy, min: 0.9{i:02}, severity: warn}}\n" for i in range(count))
    workspace.configure(CONFIG + checks)
    workspace.table("p.csv", rows())
    run = ("evaluate-gate", "--predictions", "p.csv", "--forge", "none")
    outside, inside = workspace.tidegate(*run), workspace.tidegate(*run, GITHUB_ACTIONS="true")
    told = [line for line in inside.out.splitlines() if line.startswith("::")]

    assert (outside.code, inside.code) == (0, 0)
    assert len(workspace.document("evaluate-gate")["warnings"]) == count
    assert [line.startswith("::warning title=Tidegate::accuracy: 0.8 is below") for line in told[:named]] == (
        [True] * named
    )
    assert told[named:] == (
        ["::warning title=Tidegate::16 more warnings are in the report"] if count > 10 else []
    )
    assert outside.out.splitlines() == [line for line in inside.out.splitlines() if line not in told]
    assert outside.err == inside.err


def test_no_annotation_steers_the_runner(workspace: Workspace) -> None:
    check = '{metric: accuracy, min: 0.99, severity: warn, slices: [{city: ["%0A::error::x\\n::error::y"]}]}'
    workspace.configure(f"{CONFIG}      - {check}\n")
    workspace.table("p.csv", rows())
    ended = workspace.tidegate(
        "evaluate-gate", "--predictions", "p.csv", "--forge", "none", GITHUB_ACTIONS="true"
    )
    told = [line for line in ended.out.splitlines() if line.startswith("::")]

    assert ended.code == 0, ended.err
    assert len(told) == 1
    assert told[0].startswith("::warning title=Tidegate::accuracy")
    assert "%250A::error::x" in told[0]


@pytest.mark.parametrize("renderer", [reports.markdown, reports.html, partial(reports.terminal, color=False)])
def test_a_long_name_hides_no_reason(renderer: Renderer) -> None:
    long = documents.ANA | {"owner": "o" * 900}
    document = documents.gate_waived()
    document["checks"] = [row | {"waiver": long, "column": "c" * 900} for row in document["checks"][5:6]]

    assert "thin traffic in winter" in renderer(document)


def test_waivers_that_do_not_work_are_told() -> None:
    document = documents.gate_refused()
    markdown, html = reports.markdown(document), reports.html(document)

    assert markdown.index("**1 waiver has expired and does not work**") < markdown.index("| verdict |")
    assert (
        "<code>HA</code>: ended 2026-01-31 and is missed by 1 check, given by &#64;&#8203;cy: until the new feed is in"
        in markdown
    )
    assert html.index("1 waiver has expired and does not work") < html.index("<h2>Checks</h2>")
    assert "roc_auc carrier=HA: the waiver does not work, it ended 2026-01-31" in reports.terminal(
        document, color=False
    )
    for text in (markdown, html):
        assert "1 waiver covers nothing and can go" in text
    assert "expired" not in reports.markdown(documents.gate_waived())


@pytest.mark.parametrize("renderer", [reports.markdown, reports.html, partial(reports.terminal, color=False)])
def test_an_approval_is_asked_for_only_after_a_pass(renderer: Renderer) -> None:
    line = "passes the gate; a release still needs an approval"

    assert line in renderer(documents.gate_waived())
    assert line not in renderer(documents.gate_refused())
    assert line not in renderer(documents.gate_waived() | {"approval": None})


@pytest.mark.parametrize("renderer", [reports.markdown, reports.html, partial(reports.terminal, color=False)])
@pytest.mark.parametrize(("changed", "told"), [(True, True), (False, False), (None, False)])
def test_a_golden_set_that_changed_with_the_model_is_called_out(
    renderer: Renderer, changed: bool | None, told: bool
) -> None:
    document = documents.gate_pass() | {
        "golden": {"path": "a", "sha256": None, "changed_with_model": changed}
    }

    assert ("golden set changed together with the model" in renderer(document)) == told


@pytest.mark.parametrize("renderer", [reports.markdown, reports.html])
def test_a_search_states_its_multiplicity_and_what_it_shows(renderer: Renderer) -> None:
    tested = (
        "412 slices of up to two conditions and at least 100 rows over 9 columns were tested;"
        " p-values are corrected by Holm (1979) over all of them."
    )
    found, nothing = renderer(documents.gate_waived()), renderer(documents.gate_searched())

    assert tested in found
    assert "2 slices are worse than the rest at 95% confidence." in found
    assert found.index("JFK") < found.index("1 slice not shown to be worse") < found.rindex("148")
    assert nothing.count("None is shown to be worse than the rest at 95% confidence.") == 2
    assert "1 slice of one condition over 1 column was tested;" in nothing


def test_a_search_says_what_it_did_not_do_or_list() -> None:
    found = reports.markdown(documents.gate_refused())
    empty = documents.search("f1", [], overall=None, rows=0, searched=0, tested_columns=[])
    nothing = reports.markdown(documents.gate_pass() | {"discovered": [empty]})

    assert "over all of them. Only 5 of the columns were combined in pairs." in found
    assert "14 slices are worse than the rest at 95% confidence; the worst 2 that do not repeat" in found
    assert "No slice could be tested. **Nothing was searched.**" in nothing


def test_a_waived_finding_is_as_loud_as_a_waived_check() -> None:
    document = documents.gate_refused()

    for renderer in (reports.markdown, reports.html):
        assert "1 failing check and 1 finding are waived and do not block" in renderer(document)
    assert "  block, waived: too_good: a score" in reports.terminal(document, color=False)


@pytest.mark.parametrize("renderer", [reports.markdown, reports.html, partial(reports.terminal, color=False)])
def test_searches_that_found_some_come_first(renderer: Renderer) -> None:
    nothing, found = documents.search("f1", []), documents.gate_waived()["discovered"][0]
    text = renderer(documents.gate_pass() | {"discovered": [nothing, found]})

    assert text.index("slices are worse than the rest") < text.index("None is shown")


def test_findings_come_by_severity() -> None:
    markdown = reports.markdown(documents.gate_refused())
    marked = [row for row in markdown.splitlines() if re.match(r"\| (\*\*✗.block|\*\*!.warn|–.info)", row)]

    assert [row.split()[1].strip("*")[0] for row in marked] == ["✗", "✗", "!", "!", "–"]
    assert (
        "<br>**!\N{NO-BREAK SPACE}waived** | <code>too_good</code><br>waived until 2026-12-31 by" in marked[1]
    )
    assert "<code>leakage</code> of <code>dep_delay</code>" in marked[0]


@pytest.mark.parametrize("renderer", [reports.markdown, reports.html, partial(reports.terminal, color=False)])
def test_groups_worst_slices_and_settings_in_words_are_named(renderer: Renderer) -> None:
    document = documents.gate_waived()
    text = re.sub("<[^>]+>", "", renderer(document | {"checks": document["checks"][-5:]})).replace(
        " × ", " x "
    )

    assert "by origin x" in text
    assert "worst of 14 slices: distance" in text
    assert "bins 10" in text
    assert "binning quantile" in text


def test_a_document_without_the_newer_keys_says_nothing_of_them() -> None:
    for renderer in (reports.markdown, reports.html, partial(reports.terminal, color=False)):
        text = renderer(documents.gate_fail())

        assert not re.search("waive|Sanity|Worst slices|worst slice|nobody listed|approval|olden set", text)


def test_a_retraining_tells_what_its_gate_waived() -> None:
    document = documents.retrain_opened() | {"gate": documents.gate_waived()}

    for text in (reports.pull_request_body(document), reports.model_card(document), reports.html(document)):
        assert "1 failing check is waived and does not block" in text
        assert "Segments nobody listed" in text


EVERY_WAY = pytest.mark.parametrize(
    "renderer", [reports.markdown, reports.html, partial(reports.terminal, color=False)]
)


def in_sight(markdown: str) -> str:
    """Take out what is folded away."""
    return re.sub(r"<details>.*?</details>", "", markdown, flags=re.DOTALL)


def words(text: str) -> str:
    """Take the tags and the breaks out of a rendering."""
    return re.sub(" +", " ", re.sub("<[^>]+>|\n", " ", text)).replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize("renderer", [reports.markdown, reports.html])
def test_a_comparison_is_told_from_the_verdict_to_the_evidence(renderer: Renderer) -> None:
    text = renderer(documents.compare_sets())
    order = [
        "3 not met",
        "lead to different conclusions",
        "ets side by side",
        "Gains and losses by slice",
        "Segments nobody listed",
        "Rows that changed",
        "with 99.8% confidence",
        "What this stands on",
    ]

    assert [text.index(part) for part in order] == sorted(text.index(part) for part in order)


@EVERY_WAY
def test_what_no_reader_of_a_comparison_may_miss_is_above_its_tables(renderer: Renderer) -> None:
    sets, arms = renderer(documents.compare_sets()), renderer(documents.compare_arms())
    top = sets[: sets.lower().index("sets side by side" if "side by side" in sets else "  verdict  ")]

    assert "superior on the recent set, and inferior on the golden set" in top
    assert "1 segment that nobody listed is worse, confirmed by rows held back" in top
    assert "1 gain is suspiciously large: look for a leak first" in top
    assert "The golden rows may not stand for production" in top
    assert "The test set is used up and cannot decide" in arms
    assert "used up: this golden set has judged 32 of 32 candidates: refresh it" in arms
    assert not re.search("used up|suspicious|stand for", renderer(documents.compare_quiet()))


def test_only_the_golden_set_that_is_not_reweighted_is_a_warning() -> None:
    markdown = reports.markdown(documents.compare_arms())

    assert "may not stand for production" not in markdown
    assert "Likeness to production — the golden set no longer looks like production" in markdown
    assert "they count as 4,210 rows, and the largest weight is 8.3" in markdown


def test_what_was_required_is_said_with_its_level_and_its_cost() -> None:
    sets, arms = reports.markdown(documents.compare_sets()), reports.markdown(documents.compare_arms())

    assert (
        "Required at 95% confidence: roc_auc on recent must be superior; 13 guardrails must be shown to be harmless"
        " (non-inferior); 2 guardrails must not be shown to do harm (not inferior); 1 guardrail must be shown to be"
        " equivalent. Intervals hold at 99.8%, after division among the uses of the set." in sets
    )
    assert "must be superior; 3 guardrails must be" in arms
    assert "Intervals hold at 99.9%, after division among 3 candidates and the uses of the set." in arms
    assert "only once it differs" in arms
    assert in_sight(sets).count("cannot show a loss under 0.12") == 2
    assert "within 0.007144 (1% of production)" in sets
    assert "24,951 in 3,120 clusters" in sets


def test_many_costs_are_folded() -> None:
    document = documents.compare_sets()
    document["comparisons"] = [row | {"cost": "costs a lot"} for row in document["comparisons"]]
    markdown = reports.markdown(document)

    assert markdown.count("costs a lot") == 17
    assert "costs a lot" not in in_sight(markdown)


def test_sets_stand_side_by_side() -> None:
    markdown = reports.markdown(documents.compare_sets()).replace("\N{NO-BREAK SPACE}", " ")
    start = markdown.index("**The sets side by side**")
    table = [row for row in markdown[start:].split("\n\n")[1].splitlines() if row.startswith("|")]

    assert table[0] == "| comparison | <code>recent</code> | <code>golden</code> | "
    assert len(table) == 2 + 9
    assert [row.count(" | ") for row in table[2:]] == [3] * 9
    primary = next(row for row in table if "**primary**" in row)
    assert primary.index("✓ superior<br>+0.0156") < primary.index("inferior**<br>−0.0242")
    assert "| – | **✗" in next(row for row in table if "precision" in row)
    for name in ("compare-hold", "compare-arms", "compare-quiet"):
        assert "side by side" not in reports.markdown(SAMPLES[name]())


def test_a_comparison_of_several_sets_shows_what_is_not_met_and_folds_the_rest() -> None:
    markdown = reports.markdown(documents.compare_sets())
    rows = [row for row in body_rows(in_sight(markdown)) if "within" in row]

    assert len(rows) == 3
    assert all(row.startswith("| **✗") for row in rows)
    assert "<details><summary>14 more comparisons</summary>" in markdown


@pytest.mark.parametrize("renderer", [reports.markdown, reports.html])
def test_segments_that_are_not_confirmed_are_folded(renderer: Renderer) -> None:
    text = renderer(documents.compare_sets())

    assert (
        "1 segment is worse, confirmed by the rows held back; 2 more looked worse and are not confirmed."
        in text
    )
    assert (
        "14 were found, and the 3 that do not repeat others were tested again on 4,978 rows held back."
        in text
    )
    assert "No segment was found where the candidate is worse." in text
    assert "JFK" in in_sight(text)
    assert "distance" in text
    assert "distance = " not in words(in_sight(text))
    assert "&#60; 100" not in in_sight(text)
    assert "&lt; 100" not in in_sight(text)
    assert "1 segment looked worse; none is confirmed" in renderer(documents.compare_arms())
    assert "No segment could be searched." in renderer(documents.compare_arms())


def test_rows_that_changed_are_counted_in_sight_and_listed_below() -> None:
    document = documents.compare_sets()
    markdown, html = reports.markdown(document), reports.html(document)
    ids = [str(row["id"]) for row in document["flips"][1]["rows"]]
    terminal = reports.terminal(document, color=False)

    assert "On <code>golden</code>: **14 new errors, 31 fixed, of 9,990 rows**" in in_sight(markdown)
    assert [f"<code>{name}</code>" in markdown for name in ids] == [True] * 10 + [False] * 35
    assert all(f"<code>{name}</code>" in html for name in ids)
    assert not any(name in in_sight(markdown) for name in ids)
    assert "10 rows of 45 are shown; 45 are in" in markdown
    assert "\n  candidate on golden: 14 new errors, 31 fixed, of 9,990 rows\n" in terminal
    assert "210 fixed" not in terminal
    assert "the error grew on 1,204 rows and shrank on 2,011" in reports.markdown(documents.compare_arms())


@pytest.mark.parametrize("renderer", [reports.markdown, reports.html])
def test_ranking_names_production_and_the_places_that_each_could_have(renderer: Renderer) -> None:
    text = renderer(documents.compare_arms())
    ranking = words(text[text.index("Ahead of the next" if "<html" in text else "ahead of the next") :])

    assert "boosting and logistic cannot be told apart: either may be best" in text
    assert re.search(
        r"boosting.*1 to 2.*logistic.*1 to 2.*production.*serves now.*3.*forest.*−0.0137.*4", ranking
    )
    assert re.search("(forest|production)[^|]{0,30}may be best", ranking) is None
    for place in (documents.compare_arms(), documents.compare_several()):
        place["ranking"][0] |= {"ranks": None, "ci": None, "delta": None}
        assert "boosting" in renderer(place)


@pytest.mark.parametrize("renderer", [reports.markdown, reports.html])
def test_what_a_comparison_stands_on_is_said(renderer: Renderer) -> None:
    sets, arms = words(renderer(documents.compare_sets())), words(renderer(documents.compare_arms()))

    assert "golden set: 7 of 32 candidates judged, 25 left; error per decision 0.0016" in sets
    assert "version 3, promoted 2012-12-20" in sets
    assert re.search("101 days ago.*answers were read from the registry, commit 9fceb02d0ae5 ", sets)
    assert "production moved on from version 3 to 4 after this branch was cut: update the branch" in sets
    assert "9,990 golden rows against 50,000 of warehouse-recent" in sets
    assert "the error is divided by 32, and intervals are about 1.394 times as wide" in sets
    assert re.search("distance .{0,4}0.2104", sets)
    assert "golden set: 32 of 32 candidates judged, 0 left; error per decision 0.0016" in arms
    assert "answers were given as a table" in arms
    quiet = words(renderer(documents.compare_quiet()))
    assert (
        "golden set: uses are not counted; error per decision 0.0016; this candidate was judged before"
        in quiet
    )


@EVERY_WAY
def test_an_older_comparison_says_nothing_of_newer_things(renderer: Renderer) -> None:
    for name in ("compare-hold", "compare-promote", "compare-several", "compare-first-release"):
        text = renderer(SAMPLES[name]())

        assert not re.search(
            "stands on|nobody listed|Rows that changed|side by side|budget|! |division", text
        )


@EVERY_WAY
def test_a_comparison_whose_newer_keys_are_empty_renders(renderer: Renderer) -> None:
    document = documents.compare_sets()
    empty = dict.fromkeys(["best", "budget", "golden_drift", "baseline", "level", "correction"])
    lists = {key: [] for key in ("segments", "flips", "disagreements", "ranking", "joins")}

    assert "hold" in renderer(document | empty | lists).lower()
    for key in ("budget", "golden_drift", "baseline", "best"):
        assert "hold" in renderer(document | {key: dict.fromkeys(document[key])}).lower()
    for key in ("segments", "flips"):
        assert "hold" in renderer(document | {key: [dict.fromkeys(document[key][0])]}).lower()


@pytest.mark.parametrize("limit", [65_000, 20_000, 6_000, 3_000])
def test_too_much_of_a_comparison_still_fits_and_keeps_what_must_not_be_missed(limit: int) -> None:
    document = documents.compare_crowded()
    markdown = reports.markdown(document, limit=limit)
    hostile = reports.markdown(documents.hostile(document), limit=limit + 2_000)
    body = reports.pull_request_body(
        documents.retrain_opened() | {"comparison": document}, limit=limit + 6_000
    )

    assert len(markdown.encode()) <= limit
    assert len(body.encode()) <= limit + 6_000
    assert len(hostile.encode()) <= limit + 2_000
    assert markdown.count("<details") == markdown.count("</details>")
    for text in (markdown, body, hostile):
        assert "> **The sets lead to different conclusions**" in text
        assert "> **120 segments that nobody listed are worse" in text
        assert "suspiciously large" in text
        assert "_This report was shortened" in text


def test_a_crowded_comparison_is_short_in_the_terminal() -> None:
    lines = reports.terminal(documents.compare_crowded(), color=False).split("\n")

    assert len(lines) <= 30
    assert "  and 9 more with new errors" in lines


def test_a_comparison_by_many_slices_stays_small_in_html() -> None:
    document = documents.compare_crowded(200) | {"segments": [], "flips": []}

    assert len(reports.html(document).encode()) < 1_000_000


def luminance(color: str) -> float:
    digits = color if len(color) == 6 else "".join(digit * 2 for digit in color)
    shares = [int(digits[start : start + 2], 16) / 255 for start in (0, 2, 4)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_colors_can_be_told_from_their_grounds() -> None:
    """WCAG 2.2, 1.4.3: text has a contrast of at least 4.5 to 1."""
    style = re.findall("<style>(.*?)</style>", reports.html(documents.gate_pass()), re.DOTALL)[0]
    themes = [
        dict(re.findall(r"--(\w+):#([0-9a-f]+)", theme)) for theme in re.findall(r":root{[^}]+}", style)
    ]

    assert len(themes) == 3
    for theme in themes:
        for ink in ("ink", "soft", "go", "stop", "unsure", "note"):
            for ground in ("paper", "ground", "alarm"):
                dark, light = sorted((luminance(theme[ink]), luminance(theme[ground])))
                assert (light + 0.05) / (dark + 0.05) >= 4.5, (ink, ground)


@pytest.mark.parametrize(
    "template", ["{{ x }}", "{{ x ~ '' }}", "{{ [x] | join }}", "{{ x | upper }}", "{{ {'a': x} }}"]
)
def test_forgetting_a_filter_in_a_template_is_safe(template: str) -> None:
    rendered = markdown_environment().from_string(template).render(x="<b>@everyone")

    assert "<" not in rendered
    assert "@" not in rendered.replace("&#64;", "")


@pytest.mark.parametrize("name", SAMPLES)
def test_terminal_output_is_plain_and_short(name: str) -> None:
    document = documents.hostile(SAMPLES[name]())
    lines = reports.terminal(document, color=False).split("\n")
    text = "\n".join(lines)

    assert len(lines) <= 30
    assert not any(unicodedata.category(character)[0] == "C" for line in lines for character in line)
    assert "::" not in text
    assert "##[" not in text


@pytest.mark.parametrize("name", SAMPLES)
def test_terminal_words_of_ours_are_ascii(name: str) -> None:
    assert reports.terminal(SAMPLES[name](), color=False).replace("…", "").isascii()


def test_a_crowded_gate_is_short_in_the_terminal() -> None:
    lines = reports.terminal(documents.gate_crowded(), color=False).split("\n")

    assert len(lines) <= 30
    assert "  and 58 more waived" in lines
    assert "  and 49 more expired" in lines
    assert "  and 198 more warnings" in lines
    assert "  and 11 more searches" in lines


def test_terminal_columns_align_and_color_changes_no_text() -> None:
    document = documents.gate_fail()
    document["checks"][1]["slice"] = {"carrier": "東京"}
    plain = reports.terminal(document, color=False)
    colored = reports.terminal(document, color=True)
    header, *rows = plain.split("\n")[3:]
    end = header.index("value")

    assert re.sub(r"\x1b\[[\d;]*m", "", colored) == plain
    assert "\x1b[1;31mFAIL\x1b[0m" in colored
    columns = [row.replace("東京", "東京__")[: end + 1].rstrip() for row in rows]
    assert all(column[-3:-1] == "  " for column in columns)


@pytest.mark.parametrize("name", SAMPLES)
def test_a_document_read_back_from_json_renders_the_same(name: str) -> None:
    document = SAMPLES[name]()
    read = json.loads(json.dumps(document))

    assert reports.markdown(read) == reports.markdown(document)
    assert reports.html(read) == reports.html(document)


@pytest.mark.parametrize("schema", ["tidegate/evaluate-gate/2", "tidegate/../1", "", None])
def test_an_unknown_schema_is_named(schema: str | None) -> None:
    with pytest.raises(reports.UnknownDocument, match="schema"):
        reports.markdown({"schema": schema})


def test_first_line_and_alert_say_the_verdict() -> None:
    alerts = {
        "gate-fail": "CAUTION",
        "gate-pass": "TIP",
        "gate-inconclusive": "WARNING",
        "gate-waived": "TIP",
        "gate-warned": "TIP",
        "gate-refused": "CAUTION",
        "gate-searched": "WARNING",
        "compare-hold": "CAUTION",
        "compare-promote": "TIP",
        "compare-sets": "CAUTION",
        "compare-arms": "WARNING",
        "compare-quiet": "TIP",
        "drift-retrain": "WARNING",
        "drift-watch": "NOTE",
        "drift-none": "TIP",
        "retrain-failed": "CAUTION",
        "retrain-skipped": "NOTE",
    }
    for name, alert in alerts.items():
        document = SAMPLES[name]()
        first, _, second, third, *_ = reports.markdown(document).split("\n")
        assert first.endswith(f": {document['decision']} · <code>flight-delay</code>")
        assert second == f"> [!{alert}]"
        assert third.startswith(f"> **{document['decision']}** — ")


def test_pull_request_body_says_loudly_when_nothing_was_compared() -> None:
    body = reports.pull_request_body(documents.retrain_not_compared())

    assert body.startswith("## Retrained <code>flight-delay</code>: not compared\n\n> [!WARNING]\n")


def test_pull_request_body_gives_the_evidence() -> None:
    body = reports.pull_request_body(documents.retrain_opened()).replace(ZERO_WIDTH, "")

    for section in (
        "Why now",
        "What it was trained on",
        "Against production",
        "Gate",
        "Lineage",
        "How to reproduce",
    ):
        assert f"### {section}" in body
    assert "performance_drop" in body
    assert "git checkout <code>9fceb02d0ae598e95dc970b74767f19372d61af8</code>" in body


def test_importing_reports_imports_no_template_engine() -> None:
    command = (
        "import sys, tidegate.reports; sys.exit(bool({'jinja2', 'markupsafe', 'numpy'} & set(sys.modules)))"
    )

    assert subprocess.run([sys.executable, "-c", command], check=False).returncode == 0


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(HOSTILE)
ANYTHING = (
    SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(st.sampled_from(HOSTILE), SCALARS, max_size=2)
)


def without_digests(markdown: str) -> str:
    """Take out whole hashes set as code, where GitHub looks for no references."""
    return re.sub(r"<code>[0-9a-f]{7,64}</code>", "", markdown)


def places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Walk every place of a document: its container, and the key or index in it."""
    for key, value in list(tree.items() if isinstance(tree, dict) else enumerate(tree)):
        if key != "schema":
            yield tree, key
            if isinstance(value, dict | list):
                yield from places(value)


@pytest.mark.parametrize(
    "name",
    [
        "gate-fail",
        "gate-refused",
        "compare-several",
        "compare-sets",
        "compare-arms",
        "drift-retrain",
        "retrain-opened",
    ],
)
@settings(max_examples=50, deadline=None)
@given(replacements=st.lists(st.tuples(st.integers(0, 10**6), ANYTHING), min_size=1, max_size=4))
def test_anything_anywhere_is_rendered_harmlessly_or_refused(
    name: str, replacements: list[tuple[int, Any]]
) -> None:
    document = SAMPLES[name]() | {"pull_request": None}
    found = list(places(document))
    for index, value in replacements:
        container, key = found[index % len(found)]
        container[key] = value
    outputs = {}
    for renderer in (reports.markdown, reports.html, partial(reports.terminal, color=False)):
        with suppress(reports.MalformedDocument):
            outputs[renderer] = renderer(document)
    markdown, html = outputs.get(reports.markdown, ""), outputs.get(reports.html, "")
    page, comment = Page(html), github(markdown)

    assert set(comment.tags) <= OWN_TAGS - {"a"}
    assert REFERENCES.findall(github(without_digests(markdown)).text) == []
    assert not any(text in markdown for text in HOSTILE[:-1])
    assert not {"script", "img", "a"} & set(page.tags)
    assert not [key for key, _ in page.attributes if key.startswith("on") or key in ("src", "href")]
