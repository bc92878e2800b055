"""Hostile text made harmless for each place that it is shown in.

Names and values come from tables and pull requests. They may hold anything: Markdown, HTML, mentions,
workflow commands, terminal escapes, characters that reorder or hide text.
"""

import re
import unicodedata
from collections.abc import Callable

NAME_LIMIT = 120
"""Characters of a name or value that are shown."""

SENTENCE_LIMIT = 600
"""Characters of a sentence that are shown; it may quote several names."""

_SHORT_ESCAPES = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}

# Letters or marks by category, yet drawn as nothing: fillers, variation selectors, the blank braille pattern.
_BLANKS = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


class _VisibleTable(dict[int, str]):
    """A `str.translate` table that learns each code point when it first meets it."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        category = unicodedata.category(character)
        hidden = category[0] == "C" or (category[0] == "Z" and character != " ") or _BLANKS.match(character)
        self[code] = _escaped(character) if hidden else character
        return self[code]


def _escaped(character: str) -> str:
    code = ord(character)
    if character in _SHORT_ESCAPES:
        return _SHORT_ESCAPES[character]
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


_VISIBLE = _VisibleTable()


def visible(text: str, *, limit: int | None = None) -> str:
    r"""Show what would hide: control, bidirectional, zero-width, unassigned characters, as `\n`, `\u202e`, ….

    Args:
        text: any string, lone surrogates included.
        limit: most characters of the answer; a longer one ends in an ellipsis.
    """
    if limit is None:
        return text.translate(_VISIBLE)
    shown = text[: limit + 1].translate(_VISIBLE)
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


class Safe(str):
    """Markdown of our own making, which is not escaped again.

    Deliberately without operators of its own: adding anything to it gives a plain `str`, which is escaped.
    """

    __slots__ = ()


_BREAK = "&#8203;"  # zero-width space: GitHub looks for mentions and references in the *rendered* text

_MARKDOWN = re.compile(
    r"(?P<www>www(?=\.))"
    r"|(?P<hex>(?<![0-9a-z])[0-9a-f]{7,}(?![0-9a-z]))"  # would link to a commit
    r"|(?P<ticket>(?<=[a-z])-(?=[0-9])|(?<=ghsa)-)"  # GH-12 and a repository's own reference links
    r"|(?P<blank>^\x20+|\x20+$|\x20{2,})"
    r"|(?P<mark>[!-/:-@\[-`{-~])",
    re.IGNORECASE | re.ASCII,
)


def md(text: str, *, limit: int = NAME_LIMIT) -> Safe:
    """Escape text for inline GitHub Markdown, in paragraphs, table cells, headings and HTML elements alike.

    Words, numbers and the punctuation of plain sentences stay readable in the source. Everything else becomes
    a numeric entity, and what GitHub would link after rendering is broken by zero-width spaces. The rendered
    text, zero-width spaces aside, is `visible(text)`, with no-break spaces where spaces would collapse.
    """
    shown = visible(text, limit=limit)
    return Safe(_MARKDOWN.sub(_markdown_token, shown))


def code(text: str) -> Safe:
    """Escape a name and set it as code, where GitHub looks for no references."""
    return Safe(f"<code>{md(text)}</code>")


def digest(text: str, *, length: int = 12) -> Safe:
    """Set a hash as code; a well-formed one keeps its characters unbroken so that it can be copied."""
    if re.fullmatch("[0-9a-f]{7,64}", text):
        return Safe(f"<code>{text[:length]}</code>")
    return code(text)


def _markdown_token(match: re.Match[str]) -> str:
    token = match.group()
    if match.lastgroup == "www" or match.lastgroup == "ticket":
        return token + _BREAK
    if match.lastgroup == "hex":
        return _BREAK.join(token[start : start + 6] for start in range(0, len(token), 6))
    if match.lastgroup == "blank":
        return "&#160;" * len(token)
    return _markdown_mark(token, match.string, match.start())


def _markdown_mark(mark: str, text: str, position: int) -> str:
    before, after = text[position - 1 : position], text[position + 1 : position + 2]
    plain = _PLAIN.get(mark)
    if plain is not None and plain(before, after) and not _starts_list(text, position, after):
        return mark
    breaks = mark in "@#" or (mark == ":" and after not in ("", " "))
    return f"&#{ord(mark)};{_BREAK if breaks else ''}"


def _starts_list(text: str, position: int, after: str) -> bool:
    return position == 0 or (text[position] in ".)" and after in ("", " ") and text[:position].isdigit())


def _always(_before: str, _after: str) -> bool:
    return True


def _in_word(before: str, after: str) -> bool:
    return before.isalnum() and after.isalnum()


def _ends_word(before: str, after: str) -> bool:
    return before not in ("", " ") and after in ("", " ")


def _spaced(before: str, after: str) -> bool:
    return before == " " and after == " "


# Where a mark of plain prose can do nothing in Markdown; any mark not listed is always an entity.
_PLAIN: dict[str, Callable[[str, str], bool]] = {
    ",": _always,
    "%": _always,
    "(": _always,
    ")": _always,
    "-": _always,
    ".": lambda before, after: _in_word(before, after) or _ends_word(before, after),
    "_": _in_word,
    "'": _in_word,
    ":": lambda before, after: before.isalnum() and after == " ",
    ";": _ends_word,
    "?": _ends_word,
    "=": _spaced,
    "+": _spaced,
}


def terminal_text(text: str, *, limit: int | None = NAME_LIMIT) -> str:
    r"""Escape text for a terminal or a workflow log: no control sequence, second line or workflow command."""
    shown = visible(text, limit=limit)
    return shown.replace("::", r":\x3a").replace("##[", r"#\x23[")


# The runner decodes these three in a message; colons and commas only in properties, which are ours alone.
_ANNOTATION = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})


def annotation(text: str) -> str:
    """Escape text for the message of a GitHub workflow command; its line breaks are kept."""
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join(visible(line) for line in lines).translate(_ANNOTATION)
