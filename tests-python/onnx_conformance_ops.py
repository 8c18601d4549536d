"""Cases of the operators of the default domain (see `onnx_conformance.py`)."""

import numpy as np
from onnx import TensorProto, numpy_helper

FLOATS = [np.float32, np.float64]
WHOLE = [np.int64, np.int32]
EDGES = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 0.5, 1.5, 2.5, -2.5, 1e30, -1e30, 1e-30], np.float32)
SHAPES = [(3, 4), (5,), (2, 3, 2), (0, 3), ()]
PAIRS = [
    ((3, 4), (3, 4)), ((3, 4), (4,)), ((3, 4), ()), ((3, 1), (1, 4)), ((2, 3, 4), (3, 1)), ((0, 3), (3,)), ((1,), (2, 2)),
]
TEXTS = np.array(["a", "b", "", "long text", "ä", "a b"], dtype=object)


def array(w, shape, dtype=np.float32, low=-3, high=4):
    """Random elements of a type."""
    if dtype is object:
        return w.random.choice(TEXTS, shape).astype(object) if shape else np.array("a", dtype=object)
    if dtype is np.bool_:
        return np.asarray(w.random.integers(0, 2, shape)).astype(np.bool_)
    if np.issubdtype(dtype, np.integer):
        return np.asarray(w.random.integers(0 if dtype is np.uint8 else low, high, shape)).astype(dtype)
    return np.asarray(w.random.uniform(low, high, shape)).astype(dtype)


def edges(w, dtype=np.float32, rows=7):
    """Numbers at the edges, two a row."""
    return w.random.permutation(EDGES).astype(dtype).reshape(rows, 2)


def ints(*values):
    return np.array(values, dtype=np.int64)


def write(w):
    for part in [
        elements, curves, arithmetic, powers, comparisons, choices, casts, bounds, shapes, reshapes, moves, slices, splits,
        pads, gathers, joins, reductions, bests, orders, marks, sums, matrices, made, texts,
    ]:
        part(w)


def elements(w):
    unary = {
        "Abs": FLOATS + WHOLE, "Neg": FLOATS + WHOLE, "Sign": FLOATS + WHOLE, "Ceil": FLOATS, "Floor": FLOATS,
        "Exp": FLOATS, "Log": FLOATS, "Sqrt": FLOATS, "Reciprocal": FLOATS, "Relu": FLOATS, "Round": FLOATS,
        "Sigmoid": FLOATS, "Tanh": FLOATS, "Softplus": FLOATS, "Softsign": FLOATS, "Erf": FLOATS, "IsNaN": FLOATS,
        "IsInf": FLOATS, "Identity": FLOATS + WHOLE + [np.bool_, object], "Not": [np.bool_], "Sin": FLOATS, "Cos": FLOATS,
        "Tan": FLOATS, "Asin": FLOATS, "Acos": FLOATS, "Atan": FLOATS, "Sinh": FLOATS, "Cosh": FLOATS, "Asinh": FLOATS,
        "Acosh": FLOATS, "Atanh": FLOATS, "HardSwish": FLOATS, "Mish": FLOATS, "Dropout": FLOATS,
    }
    for op, types in unary.items():
        for version in w.versions(op):
            for dtype in types:
                for shape in SHAPES:
                    w.op(op, version, [array(w, shape, dtype)], rows=shape == (3, 4))
                if dtype in FLOATS:
                    w.op(op, version, [edges(w, dtype)], rows=op not in ("Sin", "Cos", "Tan"))
    for above, below in [(0, 1), (1, 0), (0, 0)]:
        w.op("IsInf", 20, [edges(w)], rows=True, detect_positive=above, detect_negative=below)


def curves(w):
    parameters = {
        "LeakyRelu": [{}, {"alpha": 0.3}], "Elu": [{}, {"alpha": 0.7}], "Selu": [{}, {"alpha": 1.2, "gamma": 0.9}],
        "Celu": [{}, {"alpha": 0.6}], "HardSigmoid": [{}, {"alpha": 0.5, "beta": 0.1}],
        "ThresholdedRelu": [{}, {"alpha": 0.4}], "Gelu": [{}, {"approximate": "tanh"}, {"approximate": "none"}],
    }
    for op, variants in parameters.items():
        for version in w.versions(op):
            for attributes in variants:
                for shape in SHAPES:
                    w.op(op, version, [array(w, shape)], rows=shape == (3, 4), **attributes)
                finite = edges(w)
                finite[~np.isfinite(finite)] = 2.0
                w.op(op, version, [finite], rows=True, **attributes)


def arithmetic(w):
    for op in ["Add", "Sub", "Mul", "Div", "Mod", "PRelu", "Min", "Max", "Sum", "Mean"]:
        for version in w.versions(op):
            for dtype in FLOATS + WHOLE:
                for left, right in PAIRS:
                    a, b = array(w, left, dtype), array(w, right, dtype)
                    if op in ("Div", "Mod"):
                        b = np.where(b == 0, np.asarray(3, dtype), b).astype(dtype)
                    fmod = 1 if op == "Mod" and dtype in FLOATS else None
                    w.op(op, version, [a, b], fmod=fmod)
                    w.op(op, version, [a, b], constants={1}, rows=len(left) == 2 and left[0] == 3 and right[:-1] in ((), (1,)),
                         fmod=fmod)
                if dtype in FLOATS:
                    w.op(op, version, [edges(w, dtype), edges(w, dtype)], rows=True, fmod=1 if op == "Mod" else None)
    for dtype in WHOLE:
        w.op("Mod", 13, [array(w, (3, 4), dtype, -9, 9), np.array(4, dtype)], fmod=1)
        w.op("Mod", 13, [array(w, (3, 4), dtype, -9, 9), np.array(-4, dtype)])
    for op in ["Sum", "Mean", "Min", "Max"]:
        for version in w.versions(op):
            w.op(op, version, [array(w, (3, 4))], rows=True)
            w.op(op, version, [array(w, (3, 4)), array(w, (4,)), array(w, (3, 1))])


def powers(w):
    for version in w.versions("Pow"):
        for base in FLOATS + WHOLE:
            for exponent in FLOATS + WHOLE:
                a, b = array(w, (3, 4), base, 1, 5), array(w, (4,), exponent, 0, 4)
                w.op("Pow", version, [a, b])
                w.op("Pow", version, [a, b], constants={1}, rows=base is np.float32)
        w.op("Pow", version, [edges(w), np.array(2, np.float32)], rows=True)


def comparisons(w):
    for op in ["Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"]:
        for version in w.versions(op):
            for dtype in FLOATS + WHOLE + [np.bool_, object]:
                for left, right in PAIRS:
                    a, b = array(w, left, dtype), array(w, right, dtype)
                    w.op(op, version, [a, b])
                    w.op(op, version, [a, b], constants={1}, rows=left == (3, 4) and right in ((4,), ()))
            w.op(op, version, [edges(w), edges(w)], rows=True)
    for op in ["And", "Or", "Xor"]:
        for version in w.versions(op):
            for left, right in PAIRS:
                w.op(op, version, [array(w, left, np.bool_), array(w, right, np.bool_)], rows=left == right)


def choices(w):
    for version in w.versions("Where"):
        for dtype in FLOATS + WHOLE + [np.bool_, np.uint8, object]:
            for left, right in PAIRS:
                a, b = array(w, left, dtype), array(w, right, dtype)
                w.op("Where", version, [array(w, left, np.bool_), a, b], rows=left == (3, 4) == right)
                w.op("Where", version, [array(w, right, np.bool_), a, b])


def casts(w):
    types = FLOATS + WHOLE + [np.uint8, np.bool_, object]
    codes = {np.float32: 1, np.float64: 11, np.int64: 7, np.int32: 6, np.uint8: 2, np.bool_: 9, object: 8}
    for version in w.versions("Cast"):
        for before in types:
            for after in types:
                x = array(w, (4, 3), before)
                if before is object:
                    x = w.random.choice(["1", "2.5", "-3", "0", "1e3"] if after in FLOATS else ["1", "-3", "0"], (4, 3))
                    x = x.astype(object)
                if after is np.uint8:
                    x = np.abs(x) if before not in (object, np.bool_, np.uint8) else x
                    x[x == "-3"] = "3"
                w.op("Cast", version, [x], rows=True, to=codes[after])
        w.op("Cast", version, [edges(w)], rows=True, to=TensorProto.DOUBLE)
        w.op("Cast", version, [edges(w)], rows=True, to=TensorProto.BOOL)
        w.op("Cast", version, [edges(w)], to=TensorProto.STRING)
        w.op("Cast", version, [np.array([["nan", "inf", "-inf", " 1"]], dtype=object)], to=TensorProto.FLOAT)
        w.op("Cast", version, [array(w, (2, 2))], to=TensorProto.FLOAT16)
    for version in w.versions("CastLike"):
        for before in types[:-1]:
            for after in types[:-1]:
                x = np.abs(array(w, (4, 3), before)) if before is not np.bool_ else array(w, (4, 3), before)
                w.op("CastLike", version, [x, array(w, (1,), after)], constants={1}, rows=True)


def bounds(w):
    for version in w.versions("Clip"):
        if version < 11:
            for attributes in [{}, {"min": -0.5}, {"max": 0.7}, {"min": -1.0, "max": 1.0}]:
                w.op("Clip", version, [array(w, (3, 4))], rows=True, **attributes)
                w.op("Clip", version, [edges(w)], rows=True, **attributes)
            continue
        for dtype in FLOATS + WHOLE + [np.uint8]:
            low, high = np.array(0 if dtype is np.uint8 else -1, dtype), np.array(2, dtype)
            for ends in [[], [low], [None, high], [low, high], [high, low]]:
                w.op("Clip", version, [array(w, (3, 4), dtype), *ends], constants={1, 2}, rows=True)
        w.op("Clip", version, [edges(w), np.array(-1, np.float32), np.array(2, np.float32)], rows=True)


def shapes(w):
    for version in w.versions("Shape"):
        for shape in SHAPES:
            w.op("Shape", version, [array(w, shape)])
            w.op("Size", version, [array(w, shape)])
            if version >= 15:
                for start, end in [(1, None), (-2, None), (0, -1), (-9, 9), (2, 1)]:
                    w.op("Shape", version, [array(w, shape)], start=start, end=end)
    for version in w.versions("Flatten"):
        for shape in [(3, 4), (2, 3, 2), (0, 3), (5,)]:
            for axis in [0, 1, -1, None]:
                w.op("Flatten", version, [array(w, shape)], rows=shape == (2, 3, 2), axis=axis)


def reshapes(w):
    targets = [(-1,), (0, -1), (2, 6), (-1, 3), (3, 4, 1), (0, 2, 2), (1, -1, 2), (12, 1), (-1, 1)]
    for version in w.versions("Reshape"):
        for dtype in [np.float32, np.int64, object]:
            for target in targets:
                w.op("Reshape", version, [array(w, (3, 4), dtype), ints(*target)], constants={1}, rows=target[0] in (0, -1))
        w.op("Reshape", version, [array(w, (0, 3)), ints(0, 3)], constants={1})
        if version >= 14:
            w.op("Reshape", version, [array(w, (0, 3)), ints(3, 0)], constants={1}, allowzero=1)
    for op, shape in [("Squeeze", (3, 1, 4, 1)), ("Unsqueeze", (3, 4))]:
        for version in w.versions(op):
            for axes in [(1,), (-1,), (1, 3), None]:
                for dtype in [np.float32, object]:
                    if version < 13:
                        w.op(op, version, [array(w, shape, dtype)], rows=True, axes=axes)
                    else:
                        extra = [] if axes is None else [ints(*axes)]
                        w.op(op, version, [array(w, shape, dtype), *extra], constants={1}, rows=True)


def moves(w):
    for version in w.versions("Transpose"):
        for perm in [None, (0, 1, 2), (0, 2, 1), (2, 0, 1)]:
            for dtype in [np.float32, np.int64, object]:
                w.op("Transpose", version, [array(w, (2, 3, 4), dtype)], rows=perm is not None, perm=perm)
        w.op("Transpose", version, [array(w, (3, 4))])
    for version in w.versions("Tile"):
        for repeats in [(1, 2), (2, 1), (2, 3), (1, 1), (0, 2)]:
            for dtype in [np.float32, np.int64, object]:
                w.op("Tile", version, [array(w, (3, 2), dtype), ints(*repeats)], constants={1}, rows=repeats[0] == 1)
    for version in w.versions("Expand"):
        for before, after in [((3, 1), (3, 4)), ((3, 1), (1, 4)), ((4,), (2, 4)), ((), (2, 2)), ((3, 2), (1,)), ((1, 3), (0, 3))]:
            for dtype in [np.float32, np.int64, np.bool_, object]:
                w.op("Expand", version, [array(w, before, dtype), ints(*after)], constants={1}, rows=before == (3, 1))
    for upper in [0, 1, None]:
        for shift in [None, 1, -1, 5]:
            extra = [] if shift is None else [np.array(shift, np.int64)]
            w.op("Trilu", 14, [array(w, (3, 4)), *extra], constants={1}, upper=upper)
            w.op("Trilu", 14, [array(w, (2, 3, 3), np.int64), *extra], constants={1}, rows=True, upper=upper)


def slices(w):
    big = 2**31 - 1
    cuts = [
        ((1,), (3,), (1,), None), ((0,), (big,), (1,), None), ((-2,), (big,), (-1,), None), ((0, 1), (2, 4), None, None),
        ((0,), (big,), (1,), (2,)), ((-1,), (-big,), (1,), (-1,)), ((3,), (1,), (1,), None), ((1, 0), (9, 2), (1, 0), (1, 1)),
        ((0,), (big,), (0,), None), ((0, 1), (big, 3), (0, 1), None), ((9,), (-9,), (1,), (-2,)),
    ]
    for version in w.versions("Slice"):
        for starts, ends, axes, steps in cuts:
            for dtype in [np.float32, np.int64, object]:
                x = array(w, (4, 5), dtype)
                if version < 10:
                    if steps is None:
                        w.op("Slice", version, [x], rows=True, starts=starts, ends=ends, axes=axes)
                    continue
                axes_in = None if axes is None else ints(*axes)
                extra = [ints(*starts), ints(*ends), axes_in, None if steps is None else ints(*steps)]
                while extra[-1] is None:
                    extra.pop()
                w.op("Slice", version, [x, *extra], constants={1, 2, 3, 4}, rows=True)


def splits(w):
    for version in w.versions("Split"):
        for axis, sizes, parts in [(1, (2, 3, 1), 3), (-1, (6,), 1), (0, (1, 2), 2), (1, (0, 6), 2), (1, None, 3), (1, None, 2)]:
            for dtype in [np.float32, np.int64, object]:
                x = array(w, (3, 6), dtype)
                if version < 13:
                    w.op("Split", version, [x], outputs=parts, rows=axis != 0, axis=axis, split=sizes)
                else:
                    extra = [] if sizes is None else [ints(*sizes)]
                    number = parts if sizes is None and version >= 18 else None
                    w.op("Split", version, [x, *extra], outputs=parts, constants={1}, rows=axis != 0, axis=axis, num_outputs=number)
        if version >= 18:
            w.op("Split", version, [array(w, (3, 7))], outputs=3, rows=True, axis=1, num_outputs=3)


def pads(w):
    for version in w.versions("Pad"):
        for mode in ["constant", "reflect", "edge", "wrap"]:
            for amounts in [(0, 1, 0, 2), (1, 0, 0, 1), (0, 0, 0, 0), (0, -1, 0, 1), (0, 2, 0, 0)]:
                x = array(w, (3, 4))
                if version < 11:
                    w.op("Pad", version, [x], rows=amounts[0] == 0, mode=mode, pads=amounts, value=1.5)
                    continue
                w.op("Pad", version, [x, ints(*amounts)], constants={1}, rows=amounts[0] == 0, mode=mode)
                if mode == "constant":
                    fill = np.array(7.5, np.float32)
                    w.op("Pad", version, [x, ints(*amounts), fill], constants={1, 2}, rows=amounts[0] == 0, mode=mode)
                    w.op("Pad", version, [array(w, (3, 4), np.int64), ints(*amounts)], constants={1}, mode=mode)
                if version >= 18:
                    w.op("Pad", version, [x, ints(2, 1), None, ints(1)], constants={1, 3}, rows=True, mode=mode)


def gathers(w):
    for version in w.versions("Gather"):
        for dtype in [np.float32, np.int64, np.bool_, object]:
            for axis in [0, 1, -1, None]:
                if dtype is object and axis in (0, None):
                    continue  # onnxruntime copies the first text of each line alone
                for index in [ints(1, 0, 2), ints(-1, 1), np.array(1, np.int64), ints(0, 1, 1, 0).reshape(2, 2)]:
                    w.op("Gather", version, [array(w, (3, 4), dtype), index], constants={1}, rows=axis in (1, -1), axis=axis)
                w.op("Gather", version, [array(w, (3, 4), dtype), ints(0, 1).astype(np.int32)], axis=axis)
        # A constant table read by each row.
        w.op("Gather", version, [array(w, (5,)), array(w, (4, 1), np.int64, 0, 5)], constants={0}, rows=True)
    for version in w.versions("GatherElements"):
        for axis in [0, 1, -1, None]:
            w.op("GatherElements", version, [array(w, (3, 4)), array(w, (3, 4), np.int64, -3, 3)], axis=axis)
            w.op("GatherElements", version, [array(w, (3, 4), object), array(w, (2, 2), np.int64, 0, 2)], axis=axis)
    for version in w.versions("GatherND"):
        for index in [ints(0, 1, 2, 3).reshape(2, 2), ints(0, 2).reshape(2, 1), ints(-1, 0).reshape(1, 1, 2)]:
            for dtype in [np.float32, object]:
                w.op("GatherND", version, [array(w, (3, 4, 2), dtype), index])
        if version >= 12:
            w.op("GatherND", version, [array(w, (3, 4, 2)), array(w, (3, 1), np.int64, 0, 4)], batch_dims=1)
            w.op("GatherND", version, [array(w, (3, 4, 2)), array(w, (3, 2, 2), np.int64, 0, 2)], batch_dims=1)
    for version in w.versions("Compress"):
        for axis in [0, 1, None]:
            w.op("Compress", version, [array(w, (3, 4)), np.array([True, False, True])], axis=axis)


def joins(w):
    for version in w.versions("Concat"):
        for dtype in FLOATS + WHOLE + [np.bool_, object]:
            for axis in [0, 1, -1]:
                w.op("Concat", version, [array(w, (3, 2), dtype), array(w, (3, 2), dtype)], rows=axis != 0, axis=axis)
            w.op("Concat", version, [array(w, (3, 2), dtype), array(w, (3, 0), dtype), array(w, (3, 1), dtype)], axis=1)
            w.op("Concat", version, [array(w, (2, 3, 1), dtype), array(w, (2, 3, 4), dtype)], rows=True, axis=-1)


def reductions(w):
    names = "L1 L2 LogSum LogSumExp Max Mean Min Prod Sum SumSquare".split()
    for op in [f"Reduce{name}" for name in names]:
        for version in w.versions(op):
            as_input = version >= (13 if op == "ReduceSum" else 18)
            for dtype in FLOATS + WHOLE:
                for axes in [None, (1,), (-1,), (0,), (1, 2), (0, 2)]:
                    for keep in [0, 1, None]:
                        x = array(w, (2, 3, 2), dtype, 1, 4)
                        rows = axes is not None and 0 not in axes
                        if not as_input:
                            w.op(op, version, [x], rows=rows, axes=axes, keepdims=keep)
                        else:
                            extra = [] if axes is None else [ints(*axes)]
                            w.op(op, version, [x, *extra], constants={1}, rows=rows, keepdims=keep)
            if as_input:
                w.op(op, version, [array(w, (2, 3))], noop_with_empty_axes=1)
                w.op(op, version, [array(w, (2, 3)), ints()], constants={1}, noop_with_empty_axes=0)
            elif version >= 13:
                w.op(op, version, [array(w, (2, 3))], axes=(1,))
            axis = [ints(1)] if as_input else []
            attribute = None if as_input else (1,)
            if op not in ("ReduceMax", "ReduceMin"):  # where onnxruntime drops some NaN and keeps others
                w.op(op, version, [edges(w), *axis], constants={1}, axes=attribute)
            if op != "ReduceMean":  # which the specification leaves undefined of nothing
                w.op(op, version, [array(w, (3, 0)), *axis], constants={1}, axes=attribute)


def bests(w):
    for op in ["ArgMax", "ArgMin"]:
        for version in w.versions(op):
            for dtype in FLOATS + WHOLE:
                for axis in [0, 1, -1, None]:
                    for keep in [0, 1, None]:
                        x = array(w, (3, 4), dtype).round()
                        w.op(op, version, [x], rows=axis in (1, -1), axis=axis, keepdims=keep)
                        if version >= 12:
                            w.op(op, version, [x], rows=axis in (1, -1), axis=axis, keepdims=keep, select_last_index=1)
    for op in ["Softmax", "LogSoftmax", "Hardmax"]:
        for version in w.versions(op):
            for dtype in FLOATS:
                for axis in [0, 1, -1, None]:
                    for shape in [(3, 4), (2, 3, 2)]:
                        w.op(op, version, [array(w, shape, dtype)], rows=axis != 0, axis=axis)
            w.op(op, version, [array(w, (3, 4), np.float32, -300, 300)], rows=True, axis=1)


def orders(w):
    for version in w.versions("TopK"):
        for dtype in FLOATS + WHOLE:
            for axis in [0, 1, -1, None]:
                for k in [1, 3]:
                    x = array(w, (3, 4), dtype).round()
                    if version < 10:
                        w.op("TopK", version, [x], outputs=2, rows=axis != 0, axis=axis, k=k)
                        continue
                    w.op("TopK", version, [x, ints(k)], outputs=2, constants={1}, rows=axis != 0, axis=axis)
                    if version >= 11:
                        w.op("TopK", version, [x, ints(k)], outputs=2, constants={1}, rows=axis != 0, axis=axis, largest=0)
    for version in w.versions("CumSum"):
        for dtype in FLOATS + WHOLE:
            for axis in [0, 1, -1]:
                for exclusive in [0, 1]:
                    for reverse in [0, 1]:
                        w.op("CumSum", version, [array(w, (3, 4), dtype), np.array(axis, np.int64)], constants={1},
                             rows=axis != 0, exclusive=exclusive, reverse=reverse)


def marks(w):
    for version in w.versions("OneHot"):
        for index in WHOLE + [np.float32]:
            for values in [np.float32, np.int64]:
                for axis in [None, 0, 1, -1]:
                    x = array(w, (4, 2), index, -3, 6).round()
                    w.op("OneHot", version, [x, ints(4), np.array([0, 1], values)], constants={1, 2},
                         rows=axis in (None, -1), axis=axis)


def sums(w):
    for version in w.versions("NonZero"):
        for dtype in [np.float32, np.int64, np.bool_]:
            for shape in [(3, 4), (5,), (2, 3, 2)]:
                w.op("NonZero", version, [array(w, shape, dtype, -1, 2)])


def products(w, dtypes):
    for version in w.versions("MatMul"):
        for left, right in [((3, 4), (4, 2)), ((4,), (4, 2)), ((3, 4), (4,)), ((2, 3, 4), (4, 2)), ((2, 1, 3, 4), (2, 4, 2)),
                            ((4,), (4,)), ((0, 4), (4, 2))]:
            for dtype in dtypes:
                w.op("MatMul", version, [array(w, left, dtype), array(w, right, dtype)])
                w.op("MatMul", version, [array(w, left, dtype), array(w, right, dtype)], constants={1}, rows=left == (3, 4))


def whole_products(w):
    """After all others: what is drawn for them stays the same."""
    products(w, WHOLE)


def matrices(w):
    products(w, FLOATS)
    for version in w.versions("Gemm"):
        for dtype in FLOATS:
            for turn_a, turn_b in [(0, 0), (1, 0), (0, 1), (1, 1)]:
                a = array(w, (4, 3) if turn_a else (3, 4), dtype)
                b = array(w, (2, 4) if turn_b else (4, 2), dtype)
                for bias in [(2,), (1, 2), (3, 1), (), (3, 2)]:
                    w.op("Gemm", version, [a, b, array(w, bias, dtype)], constants={1, 2}, rows=not turn_a and bias == (2,),
                         transA=turn_a, transB=turn_b, alpha=0.5, beta=2.0)
                if version >= 11:
                    w.op("Gemm", version, [a, b], constants={1}, rows=not turn_a, transA=turn_a, transB=turn_b)


def made(w):
    for version in w.versions("ConstantOfShape"):
        for dtype in [None, np.float32, np.int64, np.bool_]:
            for shape in [(2, 3), (0,), ()]:
                value = None if dtype is None else numpy_helper.from_array(np.array([2], dtype).astype(dtype))
                w.op("ConstantOfShape", version, [ints(*shape)], value=value)
    for version in w.versions("Range"):
        for dtype in FLOATS + WHOLE:
            for start, end, step in [(0, 5, 1), (3, -4, -2), (2, 2, 1), (5, 1, 1)]:
                w.op("Range", version, [np.array(v, dtype) for v in (start, end, step)])
    for version in w.versions("Constant"):
        x = array(w, (2, 3))
        w.op("Constant", version, [], value=numpy_helper.from_array(x))
        w.op("Constant", version, [], value=numpy_helper.from_array(array(w, (2,), object)))
        if version >= 12:
            for attribute, value in [("value_int", 3), ("value_ints", [1, 2]), ("value_float", 0.5), ("value_floats", [1.0, 2.0]),
                                     ("value_string", "a"), ("value_strings", ["a", "b"])]:
                w.op("Constant", version, [], **{attribute: value})


def texts(w):
    x = array(w, (6, 1), object)
    for version in w.versions("Equal"):
        w.op("Equal", version, [x, np.array(["a"], dtype=object)], constants={1}, rows=True)


def norms(w):
    """After all others, as `whole_products`."""
    for version in w.versions("BatchNormalization"):
        for dtype in FLOATS:
            for shape in [(3, 4), (7, 2), (5, 3, 2), (2, 3, 2, 2), (0, 3), (4,)]:
                for spatial in [None, 0] if version < 9 else [None]:
                    per = shape[1:2] if spatial is None else shape[1:]
                    moments = [array(w, per or (1,), dtype), array(w, per or (1,), dtype, 0.1, 4)]
                    parts = [array(w, per or (1,), dtype), array(w, per or (1,), dtype), *moments]
                    for epsilon in [None, 0.1]:
                        x = edges(w, dtype) if shape == (7, 2) else array(w, shape, dtype)
                        w.op("BatchNormalization", version, [x, *parts], constants={1, 2, 3, 4}, rows=len(shape) > 1,
                             epsilon=epsilon, spatial=spatial)
            w.op("BatchNormalization", version, [array(w, (3, 2), dtype), *[array(w, (2,), dtype, 0.1, 4)] * 4])
    for version in w.versions("LayerNormalization"):
        for dtype in FLOATS:
            for shape, axis in [((3, 4), None), ((3, 4), 1), ((3, 4), 0), ((2, 3, 4), -1), ((2, 3, 4), 1), ((5,), None), ((0, 3), 1)]:
                group = shape[-1:] if axis is None else shape[axis:]
                scale, bias = array(w, group, dtype), array(w, group, dtype)
                for outputs, given in [(1, [scale]), (1, [scale, bias]), (3, [scale, bias])]:
                    w.op("LayerNormalization", version, [array(w, shape, dtype), *given], outputs, constants={1, 2},
                         rows=outputs == 1 and len(shape) > 1 and axis != 0, axis=axis, epsilon=0.01 if axis == 1 else None)
