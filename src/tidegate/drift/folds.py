"""Rows of two windows in an order and in folds that hang on what they hold alone."""

from dataclasses import dataclass

import numpy as np

from tidegate.covariates import Pair, fingerprints, pair
from tidegate.stats.classifier_test import FOLDS
from tidegate.tables import Column


@dataclass(frozen=True, slots=True)
class Arrangement:
    """Rows of both windows, the reference's first where they are stacked.

    Attributes:
        rows: positions in the stacked windows, of at most so many rows of each, shape (n,).
        current: mask of the rows that are of the current window, shape (n,).
        fold: shape (n,).
        cluster: codes from 0, shape (n,); None when rows are independent.
        stacked_rows: of which these were drawn.
    """

    rows: np.ndarray
    current: np.ndarray
    fold: np.ndarray
    cluster: np.ndarray | None
    stacked_rows: int


def arrange(digest: np.ndarray, cluster: Pair | None, *, split: int, at_most: int, seed: int) -> Arrangement:
    """Draw rows and folds, as good as at random, but the same whichever order the rows are in.

    Rows that hold the same go to folds of their own: were they kept together, or spread evenly, folds would share the
    differences that chance made between the windows, and a test would take them for real.

    Args:
        digest: hash of what each row holds, shape (n + m,) uint64.
        cluster: what rows come from, each cluster whole in one fold; None when rows are independent.
        split: n, rows of the reference.
        at_most: rows of each window.
        seed: of the draw.
    """
    codes = None if cluster is None else _codes(cluster)
    content = digest if codes is None else _joined(digest.view(np.int64), codes, split, seed)
    window = (np.arange(len(digest)) >= split).astype(np.int64)
    copy = _copies(content, window)
    key = _joined(_joined(content.view(np.int64), copy, split, seed).view(np.int64), window, split, seed)
    order = np.argsort(key, kind="stable")
    kept = [order[window[order] == side][:at_most] for side in (0, 1)]
    rows = np.concatenate(kept)
    rows = rows[np.argsort(key[rows], kind="stable")]
    current = rows >= split
    if codes is None:
        return Arrangement(rows, current, _row_folds(current), None, len(digest))
    found = _clusters(codes[rows])
    digests = fingerprints([Pair("cluster", False, codes[rows], 0)], seed)
    # A row without a cluster is one of its own.
    digests = np.where(codes[rows] < 0, key[rows], digests)
    return Arrangement(rows, current, _cluster_folds(found, digests, current), found, len(digest))


def stacked(cluster: tuple[Column, Column] | None) -> Pair | None:
    """What rows come from, the reference's first; None when rows are independent."""
    return None if cluster is None else pair(*cluster) or _apart(*cluster)


def _apart(then: Column, now: Column) -> Pair:
    """Clusters that are named by different kinds of values in the two windows, so that none is in both."""
    codes = [np.unique(column.values, return_inverse=True)[1].astype(np.int64) for column in (then, now)]
    codes[1] = codes[1] + codes[0].max(initial=-1) + 1
    codes_of = np.where(np.concatenate((then.missing, now.missing)), -1, np.concatenate(codes))
    return Pair(then.name, False, codes_of, len(then.values))


def _codes(cluster: Pair) -> np.ndarray:
    """Codes of a cluster column, -1 for missing."""
    if not cluster.numeric:
        return cluster.values.astype(np.int64)
    codes = np.unique(cluster.values, return_inverse=True)[1].astype(np.int64)
    return np.where(cluster.missing, -1, codes)


def _joined(first: np.ndarray, second: np.ndarray, split: int, seed: int) -> np.ndarray:
    return fingerprints([Pair("", False, first, split), Pair("", False, second, split)], seed)


def _copies(content: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Of each row, how many rows of its window that hold the same stand before it."""
    copies = np.zeros(len(content), dtype=np.int64)
    for side in (0, 1):
        rows = np.flatnonzero(window == side)
        order = np.argsort(content[rows], kind="stable")
        ascending = content[rows][order]
        starts = np.flatnonzero(np.append(True, ascending[1:] != ascending[:-1])) if len(rows) else rows
        lengths = np.diff(np.append(starts, len(rows)))
        copies[rows[order]] = np.arange(len(rows)) - np.repeat(starts, lengths)
    return copies


def _row_folds(current: np.ndarray) -> np.ndarray:
    """As many rows of each window in every fold, as far as they go."""
    fold = np.empty(len(current), dtype=np.int64)
    for side in (current, ~current):
        size = int(np.count_nonzero(side))
        fold[side] = np.arange(size) * FOLDS // max(size, 1)
    return fold


def _clusters(codes: np.ndarray) -> np.ndarray:
    """Codes from 0; each missing one has a code of its own."""
    alone = codes < 0
    codes = np.where(alone, codes.max(initial=0) + np.cumsum(alone), codes)
    return np.asarray(np.unique(codes, return_inverse=True)[1], dtype=np.int64)


def _cluster_folds(cluster: np.ndarray, digests: np.ndarray, current: np.ndarray) -> np.ndarray:
    """Whole clusters in the order of their digests, cut where a fold's share of both windows' rows is full."""
    count = int(cluster.max(initial=-1)) + 1
    digest = np.zeros(count, dtype=np.uint64)
    digest[cluster] = digests
    order = np.argsort(digest, kind="stable")
    sides = [np.bincount(cluster[side], minlength=count)[order] for side in (current, ~current)]
    share = np.mean([each / max(int(each.sum()), 1) for each in sides], axis=0)
    # The middle of each cluster says where it belongs.
    middle = np.cumsum(share) - share / 2
    of_cluster = np.empty(count, dtype=np.int64)
    of_cluster[order] = np.minimum((middle * FOLDS).astype(np.int64), FOLDS - 1)
    return np.asarray(of_cluster[cluster])
