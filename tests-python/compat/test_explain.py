"""Explanations: shares that add up, right on models whose shares are known, the same every time."""

import unittest

import support  # noqa: F401

try:
    import numpy as np
    import pandas as pd
    from interpret.ext.blackbox import TabularExplainer
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from sklearn.preprocessing import OneHotEncoder, StandardScaler
except ImportError:
    np = None


@unittest.skipIf(np is None, "needs numpy, pandas and scikit-learn")
class Explanations(unittest.TestCase):
    def setUp(self):
        random = np.random.default_rng(1)
        self.x = random.normal(size=(300, 3))

    def test_a_linear_model_has_the_shares_of_its_weights(self):
        weights = np.array([3.0, -1.0, 0.0])
        model = LinearRegression().fit(self.x, self.x @ weights)
        explainer = TabularExplainer(model, self.x, features=["a", "b", "c"])
        found = explainer.explain_global(self.x)
        self.assertEqual(found.get_ranked_global_names(), ["a", "b", "c"])
        self.assertEqual(found.global_importance_rank, [0, 1, 2])
        self.assertAlmostEqual(found.get_ranked_global_values()[2], 0, places=9)
        rows = self.x[:5]
        shares = np.array(explainer.explain_local(rows).local_importance_values)
        exact = (rows - self.x.mean(axis=0)) * weights
        self.assertLess(np.abs(shares - exact).max(), 2.5)
        self.assertLess(np.abs(shares - exact).mean(), 0.6)

    def test_with_one_background_row_shares_are_exact_and_add_up(self):
        def model(rows):
            rows = np.asarray(rows)
            return rows[:, 0] * rows[:, 1] + rows[:, 2]

        background, row = np.zeros((1, 3)), np.array([[2.0, 3.0, 5.0]])
        found = TabularExplainer(model, background).explain_local(row)
        # x·y is shared half and half (Shapley 1953), z keeps its own; both orders are walked, so it is exact.
        self.assertTrue(np.allclose(found.local_importance_values, [[3, 3, 5]]))
        self.assertTrue(np.isclose(np.sum(found.local_importance_values) + found.expected_values[0], 11))

    def test_raw_features_through_transformations_and_the_same_numbers_each_time(self):
        table = pd.DataFrame({"n": self.x[:, 0], "t": np.where(self.x[:, 1] > 0, "a", "b"), "idle": self.x[:, 2]})
        y = (self.x[:, 0] + 2 * (self.x[:, 1] > 0) > 1).astype(int)
        how = ColumnTransformer([("n", StandardScaler(), ["n"]), ("t", OneHotEncoder(), ["t"])]).fit(table)
        model = LogisticRegression().fit(how.transform(table), y)
        pairs = [("n", None), (["t"], OneHotEncoder().fit(table[["t"]]))]
        by_pairs = LogisticRegression().fit(np.hstack([table[["n"]], pairs[1][1].transform(table[["t"]]).toarray()]), y)
        first = None
        for classifier, transformations in ((model, how), (model, how), (by_pairs, pairs)):
            explainer = TabularExplainer(
                classifier, table, features=table.columns, classes=["no", "yes"], transformations=transformations
            )
            found = explainer.explain_global(table)
            self.assertEqual(found.get_ranked_global_names()[2], "idle")
            self.assertEqual(found.get_ranked_global_values()[2], 0)
            self.assertEqual(np.shape(found.local_importance_values), (2, 200, 3))
            if transformations is how:
                first = first or found.data()
                self.assertEqual(found.data(), first)
        self.assertEqual(list(found.get_feature_importance_dict(1)), found.get_ranked_global_names(1))

    def test_wrong_use_is_told(self):
        with self.assertRaisesRegex(ValueError, "features has 2 names"):
            TabularExplainer(len, self.x, features=["a", "b"])
        with self.assertRaisesRegex(ValueError, "neither predict_proba nor predict"):
            TabularExplainer(3, self.x)
        with self.assertRaisesRegex(ValueError, "2 columns, 3 are expected"):
            TabularExplainer(len, self.x).explain_local(self.x[:, :2])
        with self.assertRaisesRegex(ValueError, "no row"):
            TabularExplainer(len, self.x).explain_local(self.x[:0])


if __name__ == "__main__":
    unittest.main()
