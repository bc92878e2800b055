import re
import unicodedata
from html.parser import HTMLParser

import cmarkgfm
import pytest
from cmarkgfm.cmark import Options
from hypothesis import example, given
from hypothesis import strategies as st
from report_documents import HOSTILE

from tidegate.reports.escape import Safe, annotation, code, digest, md, terminal_text, visible

ZERO_WIDTH = "\u200b"

FRAGMENTS = [
    *HOSTILE[:-1],
    *("@", "#1", "GH-1", "acme/x#1", "deadbeef", "1234567", "www.", "://", "http://a.b", "a@b.cd", ":smile:"),
    *(
        "`",
        "``",
        "*",
        "_",
        "__",
        "~~",
        "|",
        "\\",
        "[",
        "](",
        "![",
        "<",
        ">",
        "<!--",
        "-->",
        "&",
        "&amp;",
        "&#64;",
    ),
    *(
        "\n",
        "\r",
        "\t",
        "\0",
        " ",
        "  ",
        "- ",
        "1. ",
        "12) ",
        "# ",
        "> ",
        "---",
        "===",
        "| - |",
        "$x$",
        "^",
        "[^1]",
    ),
    *(
        "\u202e",
        "\u2066",
        "\u200d",
        "\ufe0f",
        "\u3164",
        "\ud800",
        "\U000e0041",
        "é",
        "漢",
        "😀",
        "word",
        "0.5",
        "%0A",
    ),
]
hostile_text = (
    st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=8), max_size=8).map("".join).filter(bool)
)

# Where reports put escaped text, and the tags that the place itself makes.
PLACES = {
    "paragraph": ("{}", ["p"]),
    "after a word": ("word {} word", ["p"]),
    "heading": ("## Gate: fail · {}", ["h2"]),
    "bold": ("**✗ {}**", ["p", "strong"]),
    "list": ("- {}", ["ul", "li"]),
    "alert": ("> [!CAUTION]\n> **fail** — 1 check\n>\n> - {}", ["blockquote", "p", "strong", "ul", "li"]),
    "cell": (
        "| a | b |\n| --- | --- |\n| {} | 1 |",
        ["table", "thead", "tr", "th", "th", "tbody", "tr", "td", "td"],
    ),
    "code": ("<code>{}</code>", ["p", "code"]),
    "summary": ("<details><summary>{}</summary>\n\n</details>", ["details", "summary"]),
    "pre": ("<pre>\n{}\n</pre>", ["pre"]),
}


class Page(HTMLParser):
    """Collects the tags, attributes and text that a browser would see."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.comments: list[str] = []
        self.text = ""
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)


def github(markdown: str) -> Page:
    return Page(cmarkgfm.github_flavored_markdown_to_html(markdown, options=Options.CMARK_OPT_UNSAFE))


# What GitHub links in rendered text, where no zero-width space breaks it.
REFERENCES = re.compile(
    r"@[a-z0-9]|#[0-9]|\bgh-[0-9]|\b[a-z]+-[0-9]|www\.|://"
    r"|(?<![0-9a-z])[0-9a-f]{7,40}(?![0-9a-z])|:[a-z+-][a-z0-9_+-]*:",
    re.IGNORECASE | re.ASCII,
)


@pytest.mark.parametrize("place", PLACES)
@given(text=hostile_text)
@example(text="1. list")
@example(text="- list")
@example(text="    code block")
@example(text="trailing  ")
@example(text="a\\")
@example(text="_x_ __init__ snake_case _")
@example(text="a@b.cd mailto:a@b.cd xmpp:a@b.cd")
def test_markdown_shows_text_and_nothing_else(place: str, text: str) -> None:
    frame, tags = PLACES[place]
    empty, page = github(frame.format("§")), github(frame.format(md(text, limit=10_000)))

    assert page.tags == tags
    assert page.comments == []
    shown = page.text.replace(ZERO_WIDTH, "").replace("\u00a0", " ")
    assert shown == empty.text.replace("§", visible(text))


@given(text=hostile_text)
def test_nothing_is_left_that_github_links_after_rendering(text: str) -> None:
    rendered = github(f"x {md(text, limit=10_000)} x").text

    assert REFERENCES.findall(rendered) == []


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_never_appear_verbatim(text: str) -> None:
    assert text not in md(text)
    assert text not in code(text)


@given(text=hostile_text)
def test_source_holds_no_marker_command_or_line_break(text: str) -> None:
    escaped = md(text)

    assert not re.search(r"[\n\r<>`@#|\[\]*~\"\\$]|::|<!--", re.sub(r"&#\d+;", "", escaped))


def test_plain_sentences_stay_readable() -> None:
    sentence = (
        "recall of carrier UA: 0.312 is below 0.4 (95% interval, 1,000 rows; roc_auc of production's model)."
    )

    assert md(sentence) == sentence


def test_long_names_end_in_an_ellipsis() -> None:
    assert md("x" * 121) == "x" * 119 + "…"
    assert md("x" * 120) == "x" * 120
    assert len(visible("\n" * 10**6, limit=120)) == 120


@given(text=st.text())
def test_visible_text_hides_nothing(text: str) -> None:
    shown = visible(text)

    assert {unicodedata.category(character)[0] for character in shown if character != " "} <= set("LMNPS")
    shown.encode("utf-8")
    assert visible(shown) == shown


def test_visible_names_what_it_shows() -> None:
    assert visible("a\nb\t\x1b[0m\u202e\U000e0041\ud800") == r"a\nb\t\x1b[0m\u202e\U000e0041\ud800"


def test_safe_text_turns_hostile_when_it_is_added_to() -> None:
    assert isinstance(md("a"), Safe)
    assert not isinstance(md("a") + "<b>", Safe)
    assert not isinstance(f"{md('a')}", Safe)


def test_digests_can_be_copied_and_impostors_cannot_link() -> None:
    sha = "9fceb02d0ae598e95dc970b74767f19372d61af8"

    assert digest(sha, length=64) == f"<code>{sha}</code>"
    assert digest(sha + "\n") != f"<code>{sha}</code>"
    assert "<img" not in digest("<img>")


@given(text=hostile_text)
def test_terminal_text_is_one_line_without_commands(text: str) -> None:
    shown = terminal_text(text, limit=None)

    assert all(unicodedata.category(character)[0] != "C" for character in shown)
    assert "::" not in shown
    assert "##[" not in shown


def test_annotations_keep_their_lines_and_stay_one_command() -> None:
    assert annotation("50%: a,b\r\nc\x1b") == r"50%25: a,b%0Ac\x1b"
    assert not set("\r\n") & set(annotation("".join(HOSTILE)))
