"""Shapley values of trees by their definition: all subsets of columns, each tree's expectation taken along its own paths by
the covers of its nodes (Lundberg et al. 2018, algorithm 1). Slow and plain: what faster ways are held beside.
"""

from dataclasses import dataclass
from itertools import combinations
from math import factorial
from typing import Sequence

import numpy as np


@dataclass
class Tree:
    """Nodes of a tree; a leaf has itself as its left child."""

    left: Sequence[int]
    right: Sequence[int]
    feature: Sequence[int]
    threshold: Sequence[float]
    value: Sequence[float]
    cover: Sequence[float]

    def expected(self, row, known, at=0):
        """The mean of the leaves that a row may reach when only some of its columns are known."""
        if self.left[at] == at:
            return self.value[at]
        left, right, feature = self.left[at], self.right[at], self.feature[at]
        if feature in known:
            return self.expected(row, known, left if row[feature] <= self.threshold[at] else right)
        sides = self.cover[left] * self.expected(row, known, left) + self.cover[right] * self.expected(row, known, right)
        return sides / (self.cover[left] + self.cover[right])


def plain(tree, scale=1.0):
    """A tree of scikit-learn."""
    own = np.arange(tree.node_count)
    leaf = tree.children_left < 0
    left, right = np.where(leaf, own, tree.children_left), np.where(leaf, own, tree.children_right)
    value = tree.value.reshape(tree.node_count, -1)[:, 0] * scale
    return Tree(left.tolist(), right.tolist(), tree.feature.tolist(), tree.threshold.tolist(), value.tolist(),
                tree.weighted_n_node_samples.tolist())


def histogram(predictor):
    """A tree of scikit-learn's histogram boosting."""
    nodes = predictor.nodes
    own, leaf = np.arange(len(nodes)), nodes["is_leaf"].astype(bool)
    left, right = np.where(leaf, own, nodes["left"]), np.where(leaf, own, nodes["right"])
    return Tree(left.tolist(), right.tolist(), nodes["feature_idx"].tolist(), nodes["num_threshold"].tolist(),
                nodes["value"].tolist(), nodes["count"].astype(float).tolist())


def contributions(trees, row, columns):
    """What each of so many columns adds to the mean of the trees' sum, and that mean."""
    subsets = [frozenset(s) for size in range(columns + 1) for s in combinations(range(columns), size)]
    worth = {known: sum(tree.expected(row, known) for tree in trees) for known in subsets}
    shares = []
    for column in range(columns):
        share = 0.0
        for known in subsets:
            if column not in known:
                weight = factorial(len(known)) * factorial(columns - len(known) - 1) / factorial(columns)
                share += weight * (worth[known | {column}] - worth[known])
        shares.append(share)
    return shares, worth[frozenset()]
