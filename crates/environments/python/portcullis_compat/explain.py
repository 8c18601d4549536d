"""``TabularExplainer``: which features a model's predictions come from, by Shapley values (see ``shapley``)."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional, Sequence

from . import shapley

#: Most rows whose values make up the global importance; of more, a seeded sample is taken.
GLOBAL_ROWS = 200
#: Most rows of the training data that are drawn from.
BACKGROUND_ROWS = 500


class TabularExplainer:
    """Explains a model that has ``predict_proba`` or ``predict``, or is a function, over a table.

    ``transformations`` says how the raw features become the model's: a fitted ``ColumnTransformer``, or a list of pairs of
    columns and fitted transformer; importance is then that of the raw features. ``initialization_examples`` are rows of the
    training data, ``features`` their names.
    """

    def __init__(
        self,
        model: Any,
        initialization_examples: Any,
        explain_subset: Optional[Sequence[int]] = None,
        features: Optional[Sequence[str]] = None,
        classes: Optional[Sequence[str]] = None,
        transformations: Any = None,
        seed: int = shapley.SEED,
        **kwargs: Any,
    ):
        unknown = sorted(set(kwargs) - {"allow_all_transformations", "use_gpu", "model_task"})
        if unknown:
            raise TypeError("TabularExplainer of Portcullis takes no argument %r" % unknown[0])
        self._seed = seed
        self._background = _sampled(_table(initialization_examples), BACKGROUND_ROWS, seed)
        self._predict = _function(model, _transform(transformations))
        names = features if features is not None else getattr(self._background, "columns", None)
        width = self._background.shape[1]
        self.features = [str(name) for name in (names if names is not None else range(width))]
        if len(self.features) != width:
            raise ValueError("features has %d names, initialization_examples %d columns" % (len(self.features), width))
        self.classes = None if classes is None else [str(name) for name in classes]

    def explain_global(self, evaluation_examples: Any, **kwargs: Any) -> "Explanation":
        """Importance over a table: the mean size of each feature's share; of more than 200 rows, a seeded sample."""
        return self._explain(_sampled(self._checked(evaluation_examples), GLOBAL_ROWS, self._seed))

    def explain_local(self, evaluation_examples: Any, **kwargs: Any) -> "Explanation":
        """The share of every feature in every row."""
        return self._explain(self._checked(evaluation_examples))

    def _explain(self, rows: Any) -> "Explanation":
        found = shapley.shares(self._predict, rows, self._background, self._seed)
        return Explanation(found.values, found.expected, self.features, self.classes)

    def _checked(self, examples: Any) -> Any:
        table = _table(examples)
        if table.shape[1] != self._background.shape[1]:
            raise ValueError("the table has %d columns, %d are expected" % (table.shape[1], self._background.shape[1]))
        if len(table) == 0:
            raise ValueError("there is no row to explain")
        return table


class Explanation:
    """Importance of features. Local values have shape (outputs, rows, features), or (rows, features) of one output."""

    def __init__(self, values: Any, expected: Any, features: List[str], classes: Optional[List[str]]):
        import numpy as np

        self._values = values
        self._per_output = np.abs(values).mean(axis=1)
        self._importance = self._per_output.mean(axis=0)
        self._order = [int(i) for i in np.argsort(-self._importance, kind="stable")]
        self.expected_values = [float(value) for value in expected]
        self.features = features
        self.classes = classes
        self.method = "sampled Shapley values, %d orders and their reverses" % shapley.ORDERS

    @property
    def num_features(self) -> int:
        """How many features there are."""
        return len(self.features)

    @property
    def global_importance_values(self) -> List[float]:
        """Importance in the order of the features."""
        return [float(value) for value in self._importance]

    @property
    def global_importance_rank(self) -> List[int]:
        """Places of the features, the most important first."""
        return list(self._order)

    @property
    def global_importance_names(self) -> List[str]:
        """Names of the features, the most important first."""
        return [self.features[i] for i in self._order]

    @property
    def local_importance_values(self) -> Any:
        """The share of every feature in every row, by output when there are several."""
        values = self._values.tolist()
        return values[0] if len(values) == 1 else values

    @property
    def per_class_values(self) -> List[List[float]]:
        """Importance of the features for each output."""
        return [[float(value) for value in row] for row in self._per_output]

    def get_ranked_global_values(self, top_k: Optional[int] = None) -> List[float]:
        """Importance, the largest first."""
        return [float(self._importance[i]) for i in self._order[:top_k]]

    def get_ranked_global_names(self, top_k: Optional[int] = None) -> List[str]:
        """Names of the features, the most important first."""
        return self.global_importance_names[:top_k]

    def get_feature_importance_dict(self, top_k: Optional[int] = None) -> Dict[str, float]:
        """Importance by name, the largest first."""
        return dict(zip(self.get_ranked_global_names(top_k), self.get_ranked_global_values(top_k)))

    def get_ranked_per_class_values(self, top_k: Optional[int] = None) -> List[List[float]]:
        """Importance for each output, the largest first."""
        return [sorted(row, reverse=True)[:top_k] for row in self.per_class_values]

    def get_ranked_per_class_names(self, top_k: Optional[int] = None) -> List[List[str]]:
        """Names for each output, the most important first."""
        return [[self.features[i] for i in _order(row)][:top_k] for row in self.per_class_values]

    def get_ranked_local_values(self, top_k: Optional[int] = None) -> Any:
        """Shares of every row, the largest first."""
        found = [[sorted(row, reverse=True)[:top_k] for row in rows] for rows in self._values.tolist()]
        return found[0] if len(found) == 1 else found

    def get_ranked_local_names(self, top_k: Optional[int] = None) -> Any:
        """Names for every row, that of the largest share first."""
        found = [[[self.features[i] for i in _order(row)][:top_k] for row in rows] for rows in self._values.tolist()]
        return found[0] if len(found) == 1 else found

    def data(self) -> Dict[str, Any]:
        """All of it as plain values."""
        return {
            "method": self.method,
            "features": self.features,
            "classes": self.classes,
            "expected_values": self.expected_values,
            "global_importance_values": self.global_importance_values,
            "global_importance_names": self.global_importance_names,
            "global_importance_rank": self.global_importance_rank,
            "per_class_values": self.per_class_values,
            "local_importance_values": self.local_importance_values,
        }


def _order(values: List[float]) -> List[int]:
    return sorted(range(len(values)), key=lambda i: -values[i])


def _table(examples: Any) -> Any:
    if hasattr(examples, "iloc") and hasattr(examples, "columns"):
        return examples.reset_index(drop=True)
    import numpy as np

    array = np.asarray(examples)
    if array.ndim != 2:
        raise ValueError("a table of two dimensions is expected, this has %d" % array.ndim)
    return array


def _sampled(table: Any, most: int, seed: int) -> Any:
    if len(table) <= most:
        return table
    import numpy as np

    places = np.sort(np.random.default_rng(seed).choice(len(table), size=most, replace=False))
    return table.iloc[places].reset_index(drop=True) if hasattr(table, "iloc") else table[places]


def _function(model: Any, transform: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Rows to outputs: probabilities of each class, or the one value of a regression."""
    import numpy as np

    ask = getattr(model, "predict_proba", None) or getattr(model, "predict", None) or (model if callable(model) else None)
    if ask is None:
        raise ValueError("the model has neither predict_proba nor predict, and is no function")

    def predict(rows: Any) -> Any:
        found = np.asarray(ask(transform(rows)), dtype=float)
        return found.reshape(-1, 1) if found.ndim == 1 else found

    return predict


def _transform(transformations: Any) -> Callable[[Any], Any]:
    if transformations is None:
        return lambda rows: rows
    if hasattr(transformations, "transform"):
        return transformations.transform  # type: ignore[no-any-return]
    parts = [(columns if isinstance(columns, (list, tuple)) else [columns], how) for columns, how in transformations]

    def transform(rows: Any) -> Any:
        import numpy as np

        return np.hstack([_part(rows, list(columns), how) for columns, how in parts])

    return transform


def _part(rows: Any, columns: List[Any], how: Any) -> Any:
    import numpy as np

    values = rows[columns] if hasattr(rows, "iloc") else rows[:, columns]
    for step in how if isinstance(how, (list, tuple)) else [how]:
        values = values if step is None else step.transform(values)
    values = values.toarray() if hasattr(values, "toarray") else np.asarray(values)
    return values.reshape(-1, 1) if values.ndim == 1 else values
