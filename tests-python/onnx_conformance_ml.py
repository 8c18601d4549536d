"""Cases of the operators of `ai.onnx.ml` (see `onnx_conformance.py`)."""

import numpy as np
from onnx import numpy_helper

from onnx_conformance_ops import array, edges, ints

ML = "ai.onnx.ml"
POSTS = ["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO", "PROBIT"]
NUMBERS = [np.float32, np.float64, np.int64, np.int32]


def write(w):
    for part in [features, imputers, encoders, mappers, linear, svm_classifiers, svm_regressors, trees, trees_as_tensors, sets, maps]:
        part(w)


def ml(w, op, version, inputs, **more):
    w.op(op, version, inputs, domain=ML, **more)


def features(w):
    for dtype in NUMBERS:
        x = array(w, (4, 3), dtype)
        for offset, scale in [([1.0, 2.0, -1.0], [0.5, 2.0, 1.0]), ([1.5], [2.0]), ([0.0, 1.0, 2.0], None), (None, [2.0])]:
            ml(w, "Scaler", 1, [x], rows=True, offset=offset, scale=scale)
        for norm in ["MAX", "L1", "L2", None]:
            ml(w, "Normalizer", 1, [x], rows=True, norm=norm)
        ml(w, "Binarizer", 1, [x], rows=True, threshold=0.5)
        ml(w, "FeatureVectorizer", 1, [x, array(w, (4, 2), dtype)], rows=True, inputdimensions=[3, 2])
        ml(w, "FeatureVectorizer", 1, [x, array(w, (4, 2), dtype)], inputdimensions=[2, 4])
        for index in [ints(0, 2), ints(1), ints(2, 2, 0)]:
            ml(w, "ArrayFeatureExtractor", 1, [x, index], constants={1}, rows=True)
            ml(w, "ArrayFeatureExtractor", 1, [x[0], index], constants={1})
    ml(w, "ArrayFeatureExtractor", 1, [np.array(["a", "b", "c"], dtype=object), array(w, (4, 1), np.int64, 0, 3)], constants={0})
    for op in ["Scaler", "Normalizer", "Binarizer"]:
        more = {"offset": [1.0], "scale": [2.0]} if op == "Scaler" else {}
        ml(w, op, 1, [edges(w)], rows=op != "Normalizer", **more)
        ml(w, op, 1, [np.zeros((2, 3), np.float32)], **more)


def imputers(w):
    for _ in range(3):
        x = array(w, (5, 3))
        x[w.random.random((5, 3)) < 0.3] = np.nan
        for values in [[1.0, 2.0, 3.0], [9.0]]:
            ml(w, "Imputer", 1, [x], rows=True, imputed_value_floats=values, replaced_value_float=float("nan"))
            ml(w, "Imputer", 1, [array(w, (5, 3)).round()], rows=True, imputed_value_floats=values, replaced_value_float=1.0)
        for values in [[1, 2, 3], [9], [2**40]]:
            ml(w, "Imputer", 1, [array(w, (5, 3), np.int64)], rows=True, imputed_value_int64s=values, replaced_value_int64=1)
    big = np.array([[2**40 + 1, 3]], dtype=np.int64)
    ml(w, "Imputer", 1, [big], imputed_value_int64s=[5, 6], replaced_value_int64=3)


def encoders(w):
    words = w.random.choice(["a", "b", "c", "?"], (6, 1)).astype(object)
    keys = {"strings": ["a", "b", "c"], "int64s": [3, 1, 2], "floats": [1.0, 2.0, float("nan")]}
    values = {"strings": ["x", "y", "z"], "int64s": [7, 8, 9], "floats": [0.5, 1.5, 2.5]}
    inputs = {"strings": words, "int64s": array(w, (6, 1), np.int64, 0, 5),
              "floats": w.random.choice([1.0, 2.0, np.nan, 5.0], (6, 1)).astype(np.float32)}
    for version in [2, 4]:
        for key, from_keys in keys.items():
            for value, to_values in values.items():
                for default in [{}, {"default_string": "d"}, {"default_int64": 4}, {"default_float": float("nan")}]:
                    if not default or next(iter(default)).endswith(value.rstrip("s")):
                        ml(w, "LabelEncoder", version, [inputs[key]], rows=True,
                           **{f"keys_{key}": from_keys, f"values_{value}": to_values, **default})
    for key, from_keys in [("int64s", np.array([3, 1, 2])), ("doubles", np.array([1.0, 2.0, 5.0])),
                           ("texts", np.array(["a", "b", "c"], dtype=object))]:
        x = {"int64s": inputs["int64s"], "doubles": inputs["floats"].astype(np.float64), "texts": words}[key]
        for to_values in [np.array([1.5, 2.5, 3.5], np.float32), np.array([4, 5, 6], np.int64), np.array([1.5, 2.5, 3.5], np.float64)]:
            tensors = {"keys_tensor": from_keys, "values_tensor": to_values, "default_tensor": to_values[:1]}
            ml(w, "LabelEncoder", 4, [x], rows=True, **{k: numpy_helper.from_array(v) for k, v in tensors.items()})
    for x in [words, array(w, (6, 1), np.int64, -1, 4)]:
        ml(w, "LabelEncoder", 1, [x], rows=x is words, classes_strings=["a", "b", "c"], default_int64=-5, default_string="none")
    for shape in [(6, 1), (6,), (3, 2)]:
        words = w.random.choice(["a", "b", "?"], shape).astype(object)
        ml(w, "OneHotEncoder", 1, [words], rows=True, cats_strings=["b", "a", "c"])
        for dtype in NUMBERS:
            ml(w, "OneHotEncoder", 1, [array(w, shape, dtype, 0, 5)], rows=True, cats_int64s=[3, 1, 2], zeros=1)
        ml(w, "OneHotEncoder", 1, [array(w, shape, np.int64, 1, 4)], cats_int64s=[3, 1, 2], zeros=0)
    # The same key twice.
    words = np.array([["a"], ["b"], ["c"], ["?"]], dtype=object)
    numbers = np.array([[1], [2], [3], [9]], np.int64)
    ml(w, "OneHotEncoder", 1, [words], rows=True, cats_strings=["a", "b", "a", "c"])
    ml(w, "OneHotEncoder", 1, [numbers], rows=True, cats_int64s=[3, 1, 3, 2])
    ml(w, "LabelEncoder", 1, [words], rows=True, classes_strings=["a", "b", "a"])
    for version in [2, 4]:
        ml(w, "LabelEncoder", version, [words], rows=True, keys_strings=["a", "b", "a"], values_floats=[1.0, 2.0, 3.0])
        ml(w, "LabelEncoder", version, [numbers], rows=True, keys_int64s=[3, 1, 3], values_strings=["x", "y", "z"])


def mappers(w):
    more = {"cats_strings": ["a", "b", "c"], "cats_int64s": [5, -7, 9]}
    for shape in [(6, 1), (6,), (2, 3)]:
        words = w.random.choice(["a", "b", "c", "?"], shape).astype(object)
        ml(w, "CategoryMapper", 1, [words], rows=True, **more)
        ml(w, "CategoryMapper", 1, [words], rows=True, default_int64=3, **more)
        for default in [None, "other"]:
            numbers = w.random.choice([5, -7, 9, 1], shape).astype(np.int64)
            ml(w, "CategoryMapper", 1, [numbers], default_string=default, **more)
    twice = {"cats_strings": ["a", "b", "a", "c"], "cats_int64s": [5, -7, 9, -7]}
    ml(w, "CategoryMapper", 1, [np.array([["a"], ["b"], ["c"], ["?"]], dtype=object)], rows=True, **twice)
    ml(w, "CategoryMapper", 1, [np.array([[5], [-7], [9], [1]], np.int64)], **twice)


def linear(w):
    for dtype in NUMBERS:
        for post in POSTS:
            for targets in [1, 2, 3]:
                more = {"coefficients": w.random.normal(size=3 * targets).tolist(), "targets": targets, "post_transform": post}
                if post == "PROBIT":
                    more["coefficients"] = (np.abs(more["coefficients"]) / 20).tolist()
                x = np.abs(array(w, (4, 3), dtype)) if post == "PROBIT" else array(w, (4, 3), dtype)
                ml(w, "LinearRegressor", 1, [x], rows=True, **more)
                ml(w, "LinearRegressor", 1, [x], rows=True, intercepts=[0.1] * targets, **more)
            for classes in [2, 3]:
                labels = {"classlabels_ints": [3, 1, 2][:classes]} if classes == 2 else {"classlabels_strings": ["a", "b", "c"]}
                for multi in [0, 1]:
                    more = {"coefficients": w.random.normal(size=3 * classes).tolist(), "intercepts": [0.1] * classes}
                    ml(w, "LinearClassifier", 1, [array(w, (5, 3), dtype)], outputs=2, rows=True, post_transform=post,
                       multi_class=multi, **labels, **more)
    for post in POSTS[:4]:
        ml(w, "LinearClassifier", 1, [array(w, (5, 3))], outputs=2, rows=True, post_transform=post, classlabels_ints=[0, 1],
           coefficients=[0.5, -0.2, 1.0], intercepts=[0.1])


def machine(w, classes, width=3, each=2):
    counts = [each + i for i in range(classes)]
    total = sum(counts)
    return {
        "vectors_per_class": counts, "support_vectors": w.random.normal(size=total * width).tolist(),
        "coefficients": w.random.normal(size=total * (classes - 1)).tolist(),
        "rho": w.random.normal(size=classes * (classes - 1) // 2).tolist(),
    }


KERNELS = [("LINEAR", [0.0, 0.0, 0.0]), ("RBF", [0.4, 0.0, 0.0]), ("POLY", [0.3, 0.5, 3.0]), ("POLY", [0.3, 0.5, 2.0]),
           ("SIGMOID", [0.2, 0.1, 0.0])]


def svm_classifiers(w):
    for kernel, parameters in KERNELS:
        for classes in [2, 3, 4]:
            labels = {"classlabels_strings": list("abcd"[:classes])} if classes == 3 else {"classlabels_ints": [5, 3, 8, 1][:classes]}
            for post in POSTS[:4]:
                for dtype in NUMBERS:
                    more = machine(w, classes) | labels | {"kernel_type": kernel, "kernel_params": parameters}
                    x = array(w, (5, 3), dtype, -2, 3)
                    ml(w, "SVMClassifier", 1, [x], outputs=2, rows=True, post_transform=post, **more)
                    pairs = classes * (classes - 1) // 2
                    platt = {"prob_a": (-np.abs(w.random.normal(size=pairs))).tolist(), "prob_b": w.random.normal(size=pairs).tolist()}
                    if dtype is np.float32:
                        ml(w, "SVMClassifier", 1, [x], outputs=2, rows=True, post_transform=post, **more, **platt)
    for classes in [2, 3]:
        for empty in [[], None, [0] * classes]:
            for post in POSTS[:4]:
                ml(w, "SVMClassifier", 1, [array(w, (5, 3))], outputs=2, rows=True, classlabels_ints=list(range(classes)), post_transform=post,
                   coefficients=w.random.normal(size=3 * classes).tolist(), rho=[0.2], vectors_per_class=empty,
                   kernel_params=[0.0, 0.0, 0.0])


def svm_regressors(w):
    for kernel, parameters in KERNELS:
        for one_class in [0, 1, None]:
            for post in POSTS[:4]:
                more = {"support_vectors": w.random.normal(size=12).tolist(), "coefficients": w.random.normal(size=4).tolist()}
                ml(w, "SVMRegressor", 1, [array(w, (5, 3))], rows=True, kernel_type=kernel, kernel_params=parameters, n_supports=4,
                   rho=[0.3], one_class=one_class, post_transform=post, **more)
    ml(w, "SVMRegressor", 1, [array(w, (5, 3))], rows=True, coefficients=[0.5, -1.0, 0.2], rho=[0.1], n_supports=0,
       kernel_params=[0.0, 0.0, 0.0])


MODES = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]


def forest(w, trees, leaf, modes=MODES, targets=1, depth=3, positive=False):
    """Attributes of a random ensemble; `leaf` is `class` or `target`."""
    nodes = {name: [] for name in ["treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids",
                                   "missing_value_tracks_true"]}
    leaves = {name: [] for name in ["treeids", "nodeids", "ids", "weights"]}

    def add(tree, number, mode, value=0.0, yes=0, no=0):
        row = [tree, number, int(w.random.integers(0, 3)), value, mode, yes, no, int(w.random.integers(0, 2))]
        for name, cell in zip(nodes, row):
            nodes[name].append(cell)

    def grow(tree, number, level):
        if level == 0 or (level < depth and w.random.random() < 0.2):
            add(tree, number, "LEAF")
            spoken = [int(w.random.integers(0, targets))] if targets > 1 and w.random.random() < 0.5 else range(targets)
            for target in spoken:
                weight = w.random.random() if positive else w.random.normal()
                for name, cell in zip(leaves, [tree, number, target, float(np.float32(weight))]):
                    leaves[name].append(cell)
            return number + 1
        at = len(nodes["modes"])
        add(tree, number, w.random.choice(modes), float(np.float32(w.random.integers(-2, 3))), number + 1, 0)
        after = grow(tree, number + 1, level - 1)
        nodes["falsenodeids"][at] = after
        return grow(tree, after, level - 1)

    for tree in range(trees):
        grow(tree, 0, depth)
    return {f"nodes_{k}": v for k, v in nodes.items()} | {f"{leaf}_{k}": v for k, v in leaves.items()}


def rows(w, dtype=np.float32):
    """Rows that meet thresholds and miss values."""
    x = array(w, (9, 3), dtype).round()
    if dtype in (np.float32, np.float64):
        x[w.random.random(x.shape) < 0.15] = np.nan
    return x


def trees(w):
    sets = [MODES, ["BRANCH_LEQ"], ["BRANCH_LT"], ["BRANCH_EQ"], ["BRANCH_GTE", "BRANCH_GT"], ["BRANCH_NEQ"]]
    for version in [1, 3]:
        for dtype in NUMBERS:
            for modes in sets if dtype is np.float32 else sets[1:2]:
                for aggregate in ["SUM", "AVERAGE", "MIN", "MAX"]:
                    for targets in [1, 3]:
                        base = [0.25] * targets if w.random.random() < 0.5 else None
                        more = forest(w, 4, "target", modes, targets)
                        ml(w, "TreeEnsembleRegressor", version, [rows(w, dtype)], rows=True, n_targets=targets,
                           aggregate_function=aggregate, base_values=base, **more)
        for post in POSTS:
            for targets in [1, 2]:
                more = forest(w, 3, "target", targets=targets, positive=True)
                more["target_weights"] = [v / 4 for v in more["target_weights"]]
                ml(w, "TreeEnsembleRegressor", version, [rows(w)], n_targets=targets, post_transform=post, **more)
        for post in POSTS[:4]:
            # Of two classes with sums of their own onnxruntime answers 0 and 1, whatever the labels.
            for classes, targets in [(2, 1), (2, 2), (3, 3), (4, 4)]:
                for positive in [False, True]:
                    labels = {"classlabels_strings": list("abcd"[:classes])} if classes == 3 else {"classlabels_int64s": [0, 1, 9, 7][:classes]}
                    more = forest(w, 4, "class", targets=targets, positive=positive) | labels
                    for base in [None, [0.3] * classes] + ([[0.3]] if classes == 2 else []):
                        ml(w, "TreeEnsembleClassifier", version, [rows(w)], outputs=2, rows=True, post_transform=post, base_values=base, **more)
    ml(w, "TreeEnsembleRegressor", 3, [rows(w)], n_targets=1, **forest(w, 60, "target", depth=6))
    ml(w, "TreeEnsembleRegressor", 3, [np.repeat(rows(w), 20, axis=0)], n_targets=1, **forest(w, 30, "target", depth=5))


def trees_as_tensors(w):
    for dtype in [np.float32, np.float64]:
        for op, leaf in [("TreeEnsembleRegressor", "target"), ("TreeEnsembleClassifier", "class")]:
            more = forest(w, 3, leaf, targets=1 if leaf == "target" else 2)
            for name in ["nodes_values", f"{leaf}_weights"]:
                more[f"{name}_as_tensor"] = numpy_helper.from_array(np.array(more.pop(name), dtype))
            more |= {"n_targets": 1} if leaf == "target" else {"classlabels_int64s": [0, 1]}
            ml(w, op, 3, [rows(w, dtype)], outputs=1 if leaf == "target" else 2, **more)


def sets(w):
    """`TreeEnsemble`: node and leaf lists of their own, sets of members."""
    for dtype in [np.float32, np.float64]:
        for aggregate in [0, 1, 2, 3]:
            for targets in [1, 2]:
                for modes in [[0, 1, 2, 3, 4, 5, 6], [6], [1]]:
                    for _ in range(2):
                        ml(w, "TreeEnsemble", 5, [rows(w, dtype)], rows=True, aggregate_function=aggregate, n_targets=targets,
                           **forest_of_sets(w, modes, targets, dtype))
    for post in [0, 3]:  # of 1 and 2 onnxruntime takes one for the other
        ml(w, "TreeEnsemble", 5, [rows(w)], n_targets=2, post_transform=post, **forest_of_sets(w, [0, 6], 2, np.float32))


def forest_of_sets(w, modes, targets, dtype, trees=3, depth=3):
    names = ["featureids", "modes", "splits", "truenodeids", "trueleafs", "falsenodeids", "falseleafs", "missing_value_tracks_true"]
    nodes = {name: [] for name in names}
    leaves, members, roots = [], [], []

    def grow(level):
        """Index of a node or leaf, and whether it is a leaf."""
        if level == 0 or (level < depth and w.random.random() < 0.2):
            leaves.append((int(w.random.integers(0, targets)), float(w.random.normal())))
            return len(leaves) - 1, 1
        at, mode = len(nodes["modes"]), int(w.random.choice(modes))
        row = [int(w.random.integers(0, 3)), mode, float(w.random.integers(-2, 3)), 0, 0, 0, 0, int(w.random.integers(0, 2))]
        for name, cell in zip(names, row):
            nodes[name].append(cell)
        if mode == 6:
            members.extend([*w.random.choice([-2.0, -1.0, 0.0, 1.0, 2.0], int(w.random.integers(1, 5)), replace=False), np.nan])
        for side in ["true", "false"]:
            nodes[f"{side}nodeids"][at], nodes[f"{side}leafs"][at] = grow(level - 1)
        return at, 0

    for _ in range(trees):
        roots.append(grow(depth)[0])
    more = {f"nodes_{k}": v for k, v in nodes.items()}
    more["nodes_modes"] = numpy_helper.from_array(np.array(nodes["modes"], np.uint8))
    more["nodes_splits"] = numpy_helper.from_array(np.array(nodes["splits"], dtype))
    more |= {"tree_roots": roots, "leaf_targetids": [leaf[0] for leaf in leaves]}
    more["leaf_weights"] = numpy_helper.from_array(np.array([leaf[1] for leaf in leaves], dtype))
    if members:
        more["membership_values"] = numpy_helper.from_array(np.array(members, dtype))
    return more


def maps(w):
    for labels in [{"classlabels_strings": ["a", "b", "c"]}, {"classlabels_int64s": [0, 1, 2]}]:
        ml(w, "ZipMap", 1, [array(w, (4, 3))], **labels)
