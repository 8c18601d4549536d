"""Writes tree ensembles with their covers as ONNX, rows, and their Shapley values by definition: JSON in a folder."""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor

sys.path.insert(0, str(Path(__file__).resolve().parents[4] / "tests-python"))
import shapley  # noqa: E402


def columns(trees, scale):
    """The attributes of a TreeEnsembleRegressor."""
    out = {name: [] for name in (
        "nodes_treeids", "nodes_nodeids", "nodes_featureids", "nodes_values", "nodes_modes", "nodes_truenodeids",
        "nodes_falsenodeids", "nodes_hitrates", "target_treeids", "target_nodeids", "target_ids", "target_weights",
    )}
    for number, tree in enumerate(trees):
        for node in range(tree.node_count):
            leaf = tree.children_left[node] < 0
            out["nodes_treeids"].append(number)
            out["nodes_nodeids"].append(node)
            out["nodes_featureids"].append(0 if leaf else int(tree.feature[node]))
            out["nodes_values"].append(0.0 if leaf else float(np.float32(tree.threshold[node])))
            out["nodes_modes"].append("LEAF" if leaf else "BRANCH_LEQ")
            out["nodes_truenodeids"].append(0 if leaf else int(tree.children_left[node]))
            out["nodes_falsenodeids"].append(0 if leaf else int(tree.children_right[node]))
            out["nodes_hitrates"].append(float(tree.weighted_n_node_samples[node]))
            if leaf:
                out["target_treeids"].append(number)
                out["target_nodeids"].append(node)
                out["target_ids"].append(0)
                out["target_weights"].append(float(tree.value[node].ravel()[0]) * scale)
    return out


def main(folder):
    random = np.random.default_rng(4)
    # Whole numbers: no threshold lies on a value, whatever the precision.
    rows = random.integers(0, 20, size=(400, 6)).astype(np.float64)
    target = rows[:, 0] * rows[:, 1] / 10 + np.sin(rows[:, 2]) * 5 + (rows[:, 3] > 9) * rows[:, 4]
    forest = RandomForestRegressor(20, max_depth=12, random_state=1).fit(rows, target)
    boosted = GradientBoostingRegressor(n_estimators=60, max_depth=4, random_state=1).fit(rows, target)
    made = {
        "forest": ([e.tree_ for e in forest.estimators_], 1 / 20, 0.0),
        "boosted": ([e.tree_ for e in boosted.estimators_[:, 0]], 0.1, float(boosted.init_.constant_[0, 0])),
    }
    for name, (trees, scale, base) in made.items():
        node = helper.make_node(
            "TreeEnsembleRegressor", ["x"], ["y"], domain="ai.onnx.ml", n_targets=1, base_values=[base], **columns(trees, scale)
        )
        graph = helper.make_graph(
            [node], name, [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 6])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])],
        )
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), folder / f"{name}.onnx")
        plain = [shapley.plain(tree, scale) for tree in trees]
        explained = [shapley.contributions(plain, row, 6) for row in rows[:8]]
        case = {
            "rows": rows[:8].tolist(),
            "base": explained[0][1] + base,
            "contributions": [shares for shares, _ in explained],
        }
        (folder / f"{name}.json").write_text(json.dumps(case))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
