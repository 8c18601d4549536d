"""Cases of the operators on texts (see `onnx_conformance.py`)."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from onnx_conformance_ops import PAIRS, WHOLE, array, ints


def write(w):
    for part in [words, grams, sentences]:
        part(w)


SENTENCES = np.array(
    ["the quick brown fox", " The  QUICK fox ", "", "fox", "ÄRGER über die  Straße", "a\tb the fox\nquick", "the the the fox the",
     "\u00a0quick\u3000fox", "not good, not GOOD at all", "   "], dtype=object)


def words(w):
    for change in [None, "NONE", "LOWER", "UPPER"]:
        for stop in [[], ["fox"], ["the quick brown fox", "FOX", ""]]:
            for strict in [0, 1]:
                for shape in [(-1,), (1, -1)]:
                    w.op("StringNormalizer", 10, [SENTENCES.reshape(shape)], case_change_action=change, stopwords=stop,
                         is_case_sensitive=strict, locale="C")
    w.op("StringNormalizer", 10, [np.array(["fox", "fox"], dtype=object)], stopwords=["fox"], is_case_sensitive=1)
    for delimiter in [None, "", " ", "the", "o", ", "]:
        for most in [None, -1, 0, 1, 2, 9]:
            for shape in [(-1,), (-1, 1), (2, -1), (1, 5, 2)]:
                w.op("StringSplit", 20, [SENTENCES.reshape(shape)], 2, delimiter=delimiter, maxsplit=most)
    w.op("StringSplit", 20, [np.array(["", ""], dtype=object)], 2)
    for left, right in PAIRS:
        w.op("StringConcat", 20, [array(w, left, object), array(w, right, object)])


POOLS = [
    ([0], ["the", "fox", "quick"]), ([0, 3], ["the", "fox", "good,", "the", "fox", "not", "good,", "quick", "fox"]),
    ([0, 2, 6], ["fox", "the", "the", "the", "the", "fox", "the", "quick", "fox", "the", "the", "fox"]), ([0, 0], ["the", "fox"]),
]


def grams(w):
    codes = {}
    for starts, pool in POOLS:
        counts = [(b - a) // (i + 1) for i, (a, b) in enumerate(zip(starts, starts[1:] + [len(pool)]))]
        total = sum(counts)
        numbers = [codes.setdefault(word, len(codes)) for word in pool]
        for mode in ["TF", "IDF", "TFIDF"]:
            for shortest, longest in [(1, 1), (1, len(starts)), (len(starts), len(starts))]:
                for skips in [0, 1, 5]:
                    for weights in [[], [0.5 + i for i in range(total)]]:
                        for indexes in [list(range(total))[::-1], [i % 2 for i in range(total)]]:
                            parts = dict(mode=mode, min_gram_length=shortest, max_gram_length=longest, max_skip_count=skips,
                                         ngram_counts=starts, ngram_indexes=indexes, weights=weights)
                            x = w.random.choice(np.array(pool + ["", "dog"], dtype=object), (4, 7)).astype(object)
                            w.op("TfIdfVectorizer", 9, [x], rows=True, pool_strings=pool, **parts)
                            for dtype in WHOLE:
                                y = array(w, (4, 7), dtype, 0, len(codes) + 1)
                                w.op("TfIdfVectorizer", 9, [y], rows=True, pool_int64s=numbers, **parts)
                            w.op("TfIdfVectorizer", 9, [x[0]], pool_strings=pool, **parts)


def sentences(w):
    """From texts to one number a row, as our own files have it."""
    for starts, pool in POOLS:
        total = sum((b - a) // (i + 1) for i, (a, b) in enumerate(zip(starts, starts[1:] + [len(pool)])))
        for change in ["LOWER", "NONE"]:
            for delimiter in ["", " "]:
                for mode in ["TF", "IDF"]:
                    attributes = dict(mode=mode, min_gram_length=1, max_gram_length=len(starts), max_skip_count=1,
                                      ngram_counts=starts, ngram_indexes=list(range(total)), pool_strings=pool)
                    nodes = [
                        helper.make_node("Reshape", ["x0", "flat"], ["f"]),
                        helper.make_node("StringNormalizer", ["f"], ["s"], case_change_action=change, locale="C"),
                        helper.make_node("StringSplit", ["s"], ["w", "n"], delimiter=delimiter),
                        helper.make_node("TfIdfVectorizer", ["w"], ["t"], **attributes),
                        helper.make_node("Cast", ["n"], ["c"], to=TensorProto.FLOAT),
                        helper.make_node("Reshape", ["c", "tall"], ["l"]),
                        helper.make_node("Concat", ["t", "l"], ["v"], axis=1),
                        helper.make_node("MatMul", ["v", "m"], ["y0"]),
                    ]
                    weights = (2.0 ** np.arange(total + 1)).astype(np.float32).reshape(-1, 1)
                    stored = [numpy_helper.from_array(a, n)
                              for n, a in [("flat", ints(-1)), ("tall", ints(-1, 1)), ("m", weights)]]
                    given = {"x0": SENTENCES.reshape(-1, 1)}
                    model = w.model(nodes, stored, given, ["y0"], {"": 20})
                    w.case("TfIdfVectorizer", "sentences", 20, model, given)
