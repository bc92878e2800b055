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
from report_documents import HOSTILE, SAMPLES
from test_escape import REFERENCES, ZERO_WIDTH, Page, github

from tidegate import reports
from tidegate.reports.github_markdown import _environment as markdown_environment

SNAPSHOTS = Path(__file__).with_name("snapshots")
PAGES = [
    "gate-fail",
    "gate-hostile",
    "compare-hold",
    "compare-several",
    "drift-retrain",
    "retrain-opened",
    "promoted",
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
    assert "14 checks: 13 fail, 1 skipped." in markdown
    assert len(markdown.encode()) < 4_000


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
        "compare-hold": "CAUTION",
        "compare-promote": "TIP",
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


@pytest.mark.parametrize("name", ["gate-fail", "compare-several", "drift-retrain", "retrain-opened"])
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
