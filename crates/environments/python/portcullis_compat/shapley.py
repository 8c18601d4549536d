"""Shapley values of a model's outputs by sampling.

Method: Štrumbelj and Kononenko, "Explaining prediction models and individual predictions with feature contributions",
Knowledge and Information Systems 41 (2014); with each order of the features its reverse is walked too (antithetic
sampling: Mitchell, Cooper, Frank, Holmes, "Sampling permutations for Shapley value estimation", JMLR 23 (2022)).

For every row and order, features go one by one from a row of the background data to the row explained; what the output
changes at each is that feature's share. The shares of a row add up to its output less the mean output of the background
rows drawn for it.
"""

from __future__ import annotations

from typing import Any, Callable, List, NamedTuple

#: Orders of the features that are walked, each also in reverse.
ORDERS = 16
#: The seed of orders and background rows: the same data gives the same numbers.
SEED = 0

Predict = Callable[[Any], Any]


class Shares(NamedTuple):
    """``values`` has shape (outputs, rows, features), ``expected`` (outputs): the mean output over the background."""

    values: Any
    expected: Any


def shares(predict: Predict, rows: Any, background: Any, seed: int = SEED, orders: int = ORDERS) -> Shares:
    """Shapley values of ``predict`` (rows → array of rows × outputs) at ``rows``.

    ``rows`` and ``background`` are data frames with the same columns, or arrays of two dimensions.
    """
    import numpy as np

    random = np.random.default_rng(seed)
    count, width = rows.shape
    total: Any = None
    for _ in range(orders):
        order: List[int] = [int(i) for i in random.permutation(width)]
        drawn = random.integers(0, len(background), size=count)
        for walk in (order, order[::-1]):
            part = _walk(predict, rows, _take(background, drawn), walk)
            total = part if total is None else total + part
    expected = np.asarray(predict(background), dtype=float).mean(axis=0)
    return Shares(total / (2 * orders), expected)


def _walk(predict: Predict, rows: Any, current: Any, order: List[int]) -> Any:
    import numpy as np

    before = np.asarray(predict(current), dtype=float)
    changes = np.zeros((before.shape[1], rows.shape[0], rows.shape[1]))
    for feature in order:
        current = _with_column(current, rows, feature)
        after = np.asarray(predict(current), dtype=float)
        changes[:, :, feature] = (after - before).T
        before = after
    return changes


def _take(table: Any, places: Any) -> Any:
    if hasattr(table, "iloc"):
        return table.iloc[places].reset_index(drop=True)
    return table[places].copy()


def _with_column(table: Any, source: Any, feature: int) -> Any:
    if hasattr(table, "iloc"):
        name = table.columns[feature]
        return table.assign(**{name: source[name].to_numpy()}) if isinstance(name, str) else _assigned(table, name, source)
    table[:, feature] = source[:, feature]
    return table


def _assigned(table: Any, name: Any, source: Any) -> Any:
    table = table.copy()
    table[name] = source[name].to_numpy()
    return table
