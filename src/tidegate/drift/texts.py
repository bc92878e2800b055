"""Free text as numbers: how long it is, of what it is made, and how many of its words the reference never used."""

import re
import zlib
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from tidegate.tables import Column

CHARACTERS, WORDS = "length in characters", "number of words"
OTHER_SIGNS, UNKNOWN_WORDS = "share of signs other than letters", "share of words unknown to the reference"
DESCRIPTORS = (CHARACTERS, WORDS, OTHER_SIGNS, UNKNOWN_WORDS)
VOCABULARY = 2_000
MOST_TEXTS = 100_000
_WORD = re.compile(r"[^\W\d_]+")
_LONGEST_WORD = 40
_READ = 5_000
"""Signs of a text that its words are looked for in."""
_FEWEST_TEXTS = 20
_SEED = 20_240_501


@dataclass(frozen=True, slots=True)
class Described:
    """The descriptors of the rows of a column of text.

    Attributes:
        rows: shape (k,), positions of the rows described: all, or so many evenly over the sorted texts.
        values: per descriptor shape (k,); NaN where it does not apply.
        vocabulary: that words were looked up in.
    """

    rows: np.ndarray
    values: Mapping[str, np.ndarray]
    vocabulary: tuple[str, ...]


def is_text(column: Column) -> bool:
    """Whether a category looks like free text: hardly a value twice, and most of several words."""
    if column.kind != "category" or len(column.levels) < _FEWEST_TEXTS:
        return False
    filled = int((column.values >= 0).sum())
    if 2 * len(column.levels) < filled or not isinstance(column.levels[0], str):
        return False
    looked_at = column.levels[:: max(1, len(column.levels) // 1_000)]
    spaced = sum(str(level)[:_READ].strip().count(" ") >= 2 for level in looked_at)
    return 2 * spaced > len(looked_at)


def describe(column: Column, vocabulary: Collection[str] | None = None) -> Described:
    """The descriptors of a column of text, each row by itself.

    Without a vocabulary, half of the rows make one of their most frequent words, and the other half tell the share of
    words beyond it: a vocabulary knows the words that it was made from better than any that come later.

    Args:
        column: a category.
        vocabulary: that of the reference, to measure a later window by.
    """
    rows = np.flatnonzero(column.values >= 0)
    if len(rows) > MOST_TEXTS:
        # Which rows are taken hangs on the texts alone, not on their order.
        ascending = rows[np.argsort(column.values[rows], kind="stable")]
        rows = np.sort(ascending[np.arange(MOST_TEXTS) * len(rows) // MOST_TEXTS])
    found, codes = np.unique(column.values[rows], return_inverse=True)
    texts = [str(column.levels[code]) for code in found.tolist()]
    words = [_WORD.findall(text[:_READ].lower()) for text in texts]
    told = np.ones(len(rows), dtype=np.bool_)
    if vocabulary is None:
        learnt, told = _halves(texts, codes)
        vocabulary = _frequent(words, np.bincount(codes[learnt], minlength=len(texts)))
    known = frozenset(vocabulary)
    measured = {
        CHARACTERS: [float(len(text)) for text in texts],
        WORDS: [float(len(each)) for each in words],
        OTHER_SIGNS: [_other_signs(text, each) for text, each in zip(texts, words, strict=True)],
        UNKNOWN_WORDS: [_unknown(each, known) for each in words],
    }
    values = {name: np.array(each, dtype=np.float64)[codes] for name, each in measured.items()}
    values[UNKNOWN_WORDS] = np.where(told, values[UNKNOWN_WORDS], np.nan)
    return Described(rows, values, tuple(vocabulary))


def _halves(texts: list[str], codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Masks of the rows that make a vocabulary and of the others, by chance, but the same for the same rows."""
    counts = np.bincount(codes, minlength=len(texts))
    seed = zlib.crc32("\0".join(texts[:1_000]).encode("utf-8", "replace"))
    first = np.random.default_rng([_SEED, seed]).binomial(counts, 0.5)
    order = np.argsort(codes, kind="stable")
    starts = np.cumsum(counts) - counts
    learnt = np.zeros(len(codes), dtype=np.bool_)
    learnt[order] = np.arange(len(codes)) - np.repeat(starts, counts) < np.repeat(first, counts)
    return learnt, ~learnt


def _frequent(words: list[list[str]], counts: np.ndarray) -> tuple[str, ...]:
    """The words that most texts have, of those that at least two do."""
    texts_with: Counter[str] = Counter()
    for each, count in zip(words, counts.tolist(), strict=True):
        if count:
            for word in set(each):
                texts_with[word] += count
    kept = [(-count, word) for word, count in texts_with.items() if count > 1 and len(word) <= _LONGEST_WORD]
    return tuple(sorted(word for _, word in sorted(kept)[:VOCABULARY]))


def _other_signs(text: str, words: list[str]) -> float:
    read = text[:_READ]
    # Lowering a letter may make two of it.
    return max(1 - sum(map(len, words)) / len(read), 0.0) if read else np.nan


def _unknown(words: list[str], known: Collection[str]) -> float:
    return sum(word not in known for word in words) / len(words) if words else np.nan
