"""Every protocol over a scoring script and over an MLflow model: MLflow's forms, tensors, the V1 form."""

import json
import os
import struct
import subprocess
import sys
import tempfile
import unittest

from support import Worker

RAW = """
import json
def init():
    pass
def run(raw):
    asked = json.loads(raw)
    return {"echo": asked} if "other" in asked else ANSWER(asked["data"])
"""

PLAIN = """
from inference_schema.schema_decorators import input_schema
from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType as Sample
def init():
    pass
@input_schema("rows", Sample([{"a": 1.0, "b": "x"}]))
@input_schema("times", Sample(1))
def run(rows, times=2):
    return [row["a"] * times for row in rows]
"""

FRAME = """
import pandas as pd, numpy as np
from inference_schema.schema_decorators import input_schema, output_schema
from inference_schema.parameter_types.numpy_parameter_type import NumpyParameterType
from inference_schema.parameter_types.pandas_parameter_type import PandasParameterType
from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType
def init():
    pass
sample = PandasParameterType(pd.DataFrame({"a": [1.5], "b": ["x"]}))
@input_schema("GlobalParameters", StandardPythonParameterType({"method": StandardPythonParameterType("predict")}),
    convert_to_provided_type=False)
@input_schema("Inputs", StandardPythonParameterType({"data": sample}))
@output_schema(StandardPythonParameterType({"Results": NumpyParameterType(np.array(["x"]))}))
def run(Inputs, GlobalParameters={"method": "predict"}):
    data = Inputs["data"]
    return {"Results": (data["b"] + data["a"].astype(str)).tolist()}
"""

ARRAY = """
import numpy as np
from inference_schema.schema_decorators import input_schema, output_schema
from inference_schema.parameter_types.numpy_parameter_type import NumpyParameterType
from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType
def init():
    pass
@input_schema("data", NumpyParameterType(np.array([[1.0, 2.0]])))
@input_schema("times", StandardPythonParameterType(2))
@output_schema(NumpyParameterType(np.array([3.0])))
def run(data, times=1):
    return data.sum(axis=1) * times
"""

MAKE = """
import sys, numpy, pandas, mlflow
from mlflow.models import infer_signature

class Table(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return pandas.DataFrame({"twice": model_input["a"] * 2, "text": model_input["b"] + "!", "n": model_input["n"]})

class Sum(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        assert isinstance(model_input, numpy.ndarray) and model_input.dtype == numpy.float32, model_input
        return model_input.sum(axis=1)

table = pandas.DataFrame({"a": [1.0, 2.0], "b": ["p", "q"], "n": [1, 2]})
out = Table().predict(None, table)
mlflow.pyfunc.save_model(sys.argv[1] + "/table", python_model=Table(), signature=infer_signature(table, out))
array = numpy.ones((2, 3), dtype=numpy.float32)
mlflow.pyfunc.save_model(sys.argv[1] + "/array", python_model=Sum(), signature=infer_signature(array, array.sum(axis=1)))
"""


def modules(*names):
    """Whether the interpreter has them."""
    return subprocess.run([sys.executable, "-c", "import " + ", ".join(names)], capture_output=True).returncode == 0


def column(name, datatype, *values, wide=False):
    return {"name": name, "shape": [len(values), 1] if wide else [len(values)], "datatype": datatype, "data": list(values)}


class Caller(unittest.TestCase):
    """Calls of a worker by its paths."""

    def post(self, worker, path, body, **head):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        head.setdefault("content_type", "application/json")
        answer, found = worker.call(body, path=path, model="m", version="3", **head)
        return answer, found

    def check(self, worker, path, body, status, expected, **head):
        answer, found = self.post(worker, path, body, **head)
        self.assertEqual((answer["status"], json.loads(found)), (status, expected), body)
        return answer

    def refused(self, worker, path, body, status, part, **head):
        answer, found = self.post(worker, path, body, **head)
        self.assertEqual(answer["status"], status, found)
        self.assertIn(part, json.loads(found)["message"])

    def outputs(self, worker, body, **head):
        answer, found = self.post(worker, "/v2/infer", body, **head)
        self.assertEqual(answer["status"], 200, found)
        found = json.loads(found)
        self.assertEqual((found["model_name"], found["model_version"]), ("m", "3"))
        return {one["name"]: (one["datatype"], one["shape"], one["data"]) for one in found["outputs"]}


def raw(answer):
    return RAW.replace("ANSWER", "(%s)" % answer)


class Scripts(Caller):
    def test_a_raw_script_gets_the_text_of_data(self):
        with Worker(raw("lambda data: json.dumps({'result': data})")) as worker:
            head = worker.ready()
            self.assertEqual(head["metadata"], {"platform": "python_script", "inputs": [], "outputs": []})
            rows = [{"a": 1, "b": "x"}]
            for body in (
                {"dataframe_split": {"columns": ["a", "b"], "data": [[1, "x"]]}},
                {"dataframe_records": rows},
                {"instances": rows, "other": 1},
                {"inputs": {"a": [1], "b": ["x"]}},
            ):
                answer = self.check(worker, "/invocations", body, 200, {"predictions": rows})
                self.assertEqual(answer["rows"], 1)
            self.check(worker, "/invocations", {"instances": [[1, 2]]}, 200, {"predictions": [[1, 2]]})
            self.check(worker, "/invocations", {"inputs": [[1, 2], [3, 4]]}, 200, {"predictions": [[1, 2], [3, 4]]})
            self.check(worker, "/v1/predict", {"instances": [1, 2]}, 200, {"predictions": [1, 2]})
            # What has none of the forms is the script's own matter, and its answer too.
            own = {"other": 1}
            self.check(worker, "/invocations", own, 200, {"echo": own})
            text = json.dumps(json.dumps({"result": [7]})).encode()
            self.assertEqual(self.post(worker, "/invocations", {"data": [7]})[1], text)
            self.refused(worker, "/v1/predict", own, 400, "'instances'")
            self.refused(worker, "/invocations", {"dataframe_split": {"columns": ["a"], "data": [[1, 2]]}}, 400, "row 0")

    def test_tensors_of_a_raw_script(self):
        answer = "lambda data: {'a': data, 'n': len(data), 'f': [0.5, None]} if type(data[0]) is list else data"
        with Worker(raw(answer)) as worker:
            worker.ready()
            table = {"id": "7", "inputs": [column("a", "FP32", 1, 2.5), column("b", "BYTES", "x", "y", wide=True)]}
            found = self.outputs(worker, table)
            self.assertEqual(found, {"a": ("FP64", [2], [1.0, 2.5]), "b": ("BYTES", [2], ["x", "y"])})
            whole = {"inputs": [{"name": "x", "shape": [2, 2], "datatype": "INT8", "data": [[1, 2], [3, -4]]}]}
            found = self.outputs(worker, whole)
            self.assertEqual(found["a"], ("INT64", [2, 2], [1, 2, 3, -4]))
            self.assertEqual((found["n"], found["f"]), (("INT64", [1], [2]), ("FP64", [2], [0.5, None])))
            # One column is values, unless it is said to be a table's.
            one = {"inputs": [column("x", "BOOL", True, False)]}
            self.assertEqual(self.outputs(worker, one), {"predict": ("BOOL", [2], [True, False])})
            found = self.outputs(worker, dict(one, parameters={"content_type": "pd"}))
            self.assertEqual(found, {"x": ("BOOL", [2], [True, False])})
            chosen = dict(table, outputs=[{"name": "b"}])
            answer, body = self.post(worker, "/v2/infer", chosen)
            self.assertEqual([one["name"] for one in json.loads(body)["outputs"]], ["b"])
            self.assertEqual((json.loads(body)["id"], answer["rows"]), ("7", 2))
            self.refused(worker, "/v2/infer", dict(table, outputs=[{"name": "c"}]), 400, "no output 'c'; its outputs are a, b")

    def test_answers_that_are_no_tensors_say_why(self):
        for answer, part in (
            ("lambda data: [[1], [1, 2]]", "the output 'predict' is ragged"),
            ("lambda data: {'o': [1, 'x']}", "the output 'o' mixes texts"),
            ("lambda data: [{'a': {}}]", "the output 'a' holds objects"),
            ("lambda data: json.dumps({'error': 'the model is gone'})", "the model is gone"),
            ("lambda data: 1 / 0", "An unexpected error occurred in scoring script."),
        ):
            with self.subTest(answer), Worker(raw(answer)) as worker:
                worker.ready()
                self.refused(worker, "/v2/infer", {"inputs": [column("x", "INT64", 1)]}, 500, part)

    def test_binary_tensors(self):
        with Worker(raw("lambda data: {name: [row[name] for row in data] for name in data[0]}")) as worker:
            worker.ready()
            texts = b"".join(struct.pack("<I", len(t)) + t for t in ("x".encode(), "ü".encode()))
            parts = [
                ("h", "FP16", struct.pack("<2e", 0.5, -2)),
                ("b", "BOOL", b"\1\0"),
                ("u", "UINT64", struct.pack("<2Q", 1, 2**63)),
                ("i", "INT16", struct.pack("<2h", -1, 7)),
                ("t", "BYTES", texts),
            ]
            heads = [
                {"name": n, "shape": [2, 1], "datatype": d, "parameters": {"binary_data_size": len(data)}} for n, d, data in parts
            ]
            asked = {"inputs": heads, "outputs": [{"name": n, "parameters": {"binary_data": n != "i"}} for n in "thbi"]}
            text = json.dumps(asked).encode()
            body = text + b"".join(data for _, _, data in parts)
            answer, found = self.post(worker, "/v2/infer", body, json_bytes=len(text))
            self.assertEqual((answer["status"], answer["content_type"]), (200, "application/octet-stream"), found)
            head, rest = json.loads(found[: answer["json_bytes"]]), found[answer["json_bytes"] :]
            kinds = [(o["name"], o["datatype"]) for o in head["outputs"]]
            self.assertEqual(kinds, [("t", "BYTES"), ("h", "FP64"), ("b", "BOOL"), ("i", "INT64")])
            self.assertEqual(rest, texts + struct.pack("<2d", 0.5, -2) + b"\1\0")
            self.assertEqual(head["outputs"][3]["data"], [-1, 7])
            self.refused(worker, "/v2/infer", body + b"x", 400, "1 bytes follow", json_bytes=len(text))
            self.refused(worker, "/v2/infer", body[:-1], 400, "the input 't'", json_bytes=len(text))
            self.refused(worker, "/v2/infer", body, 400, "Inference-Header-Content-Length", json_bytes=len(body) + 1)

    def test_what_is_no_inference_request_is_told(self):
        good = column("x", "INT8", 1, 2)
        with Worker(raw("len")) as worker:
            worker.ready()
            for body, part in (
                (b"{", "could not be decoded as JSON"),
                ([], "no inference request"),
                ({"inputs": []}, "at least one tensor"),
                ({"inputs": [{}]}, "no name"),
                ({"inputs": [dict(good, datatype="FP128")]}, "the datatype FP128"),
                ({"inputs": [dict(good, shape=[3])]}, "2 elements, its shape [3] has 3"),
                ({"inputs": [dict(good, shape=[-1])]}, "no shape"),
                ({"inputs": [dict(good, data=[1, 128])]}, "an element that is no INT8"),
                ({"inputs": [dict(good, data=[1, True])]}, "an element that is no INT8"),
                ({"inputs": [dict(good, datatype="BYTES")]}, "an element that is no BYTES"),
                ({"inputs": [dict(good, data=None)]}, "no list 'data'"),
                ({"inputs": [dict(good, shape=[10**12, 0], data=[])]}, "rows without elements"),
                ({"inputs": [dict(good, data=json.loads("[" * 40 + "]" * 40))]}, "nested more than 32 levels"),
                ({"inputs": [good, good]}, "is there twice"),
                ({"inputs": [good, column("y", "INT8", 1)]}, "different numbers of rows"),
                ({"inputs": [dict(good, shape=[1, 2])], "parameters": {"content_type": "pd"}}, "'pd' is a table"),
            ):
                self.refused(worker, "/v2/infer", body, 400, part)

    def test_a_decorated_script_of_plain_samples(self):
        with Worker(PLAIN) as worker:
            head = worker.ready()
            self.assertEqual(head["metadata"]["inputs"], [{"name": "times", "datatype": "INT64", "shape": [1]}])
            self.check(worker, "/invocations", {"dataframe_records": [{"a": 1.5, "b": "x"}]}, 200, {"predictions": [3.0]})
            body = {"instances": [{"a": 1.5, "b": "x"}], "params": {"times": 3}}
            self.check(worker, "/invocations", body, 200, {"predictions": [4.5]})
            self.check(worker, "/invocations", b"a,b\n2,x\n", 200, {"predictions": [4]}, content_type="text/csv")
            # By the names of its arguments, as on /score.
            self.check(worker, "/invocations", {"rows": [{"a": 1}], "times": 5}, 200, [5])
            found = self.outputs(worker, {"inputs": [column("a", "FP64", 0.5, 1.5), column("b", "BYTES", "x", "y")]})
            self.assertEqual(found, {"predict": ("FP64", [2], [1.0, 3.0])})

    @unittest.skipUnless(modules("numpy", "pandas"), "needs numpy and pandas")
    def test_a_decorated_script_of_data_frames(self):
        with Worker(FRAME) as worker:
            described = worker.ready()["metadata"]
            self.assertEqual(
                described["inputs"][:2],
                [{"name": "a", "datatype": "FP64", "shape": [-1, 1]}, {"name": "b", "datatype": "BYTES", "shape": [-1, 1]}],
            )
            self.assertEqual(described["outputs"], [{"name": "Results", "datatype": "BYTES", "shape": [-1]}])
            for body in (
                {"dataframe_split": {"columns": ["b", "a"], "data": [["x", 1.5]]}},
                {"instances": [[1.5, "x"]]},
                {"inputs": {"a": [1.5], "b": ["x"]}},
            ):
                self.check(worker, "/invocations", body, 200, {"predictions": ["x1.5"]})
            found = self.outputs(worker, {"inputs": [column("b", "BYTES", "x"), column("a", "FP32", 2.5)]})
            self.assertEqual(found, {"Results": ("BYTES", [1], ["x2.5"])})

    @unittest.skipUnless(modules("numpy"), "needs numpy")
    def test_a_decorated_script_of_arrays(self):
        with Worker(ARRAY) as worker:
            described = worker.ready()["metadata"]
            self.assertEqual(described["inputs"][0], {"name": "data", "datatype": "FP64", "shape": [-1, 2]})
            self.assertEqual(described["outputs"], [{"name": "predict", "datatype": "FP64", "shape": [-1]}])
            self.check(worker, "/invocations", {"instances": [[1, 2], [3, 4]]}, 200, {"predictions": [3.0, 7.0]})
            self.check(worker, "/invocations", {"inputs": {"data": [[1, 2]], "times": 4}}, 200, {"predictions": [12.0]})
            data = {"name": "data", "shape": [2, 2], "datatype": "FP32", "data": [1, 2, 3, 4]}
            found = self.outputs(worker, {"inputs": [data, column("times", "INT64", 10)]})
            self.assertEqual(found, {"predict": ("FP64", [2], [30.0, 70.0])})
            columns = {"inputs": [column("x", "FP64", 1, 3), column("y", "FP64", 2, 4)]}
            self.assertEqual(self.outputs(worker, columns)["predict"][2], [3.0, 7.0])

    def test_a_script_of_requests_gets_them_all(self):
        script = """
        from azureml.contrib.services.aml_request import AMLRequest, rawhttp
        def init():
            pass
        @rawhttp
        def run(request):
            return request.path
        """
        with Worker(script) as worker:
            worker.ready()
            for path in ("/score", "/invocations", "/v2/infer", "/v1/predict"):
                self.check(worker, path, {"instances": []}, 200, path)


@unittest.skipUnless(modules("mlflow", "pandas"), "needs mlflow and pandas")
class Models(Caller):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        made = subprocess.run([sys.executable, "-c", MAKE, folder.name], cwd=folder.name, capture_output=True, text=True)
        assert made.returncode == 0, made.stderr

    def test_a_table_by_its_signature(self):
        with Worker(mlflow=os.path.join(self.folder, "table")) as worker:
            described = worker.ready()["metadata"]
            self.assertEqual(described["platform"], "mlflow_pyfunc")
            kinds = [(t["name"], t["datatype"]) for t in described["inputs"]]
            self.assertEqual(kinds, [("a", "FP64"), ("b", "BYTES"), ("n", "INT64")])
            self.assertEqual([t["name"] for t in described["outputs"]], ["twice", "text", "n"])
            # In any order, whole numbers of another width, and one column too many.
            body = {"inputs": [column("n", "INT32", 5), column("b", "BYTES", "x", wide=True), column("a", "FP32", 1.5)]}
            body["inputs"].append(column("more", "BOOL", True))
            expected = {"twice": ("FP64", [1], [3.0]), "text": ("BYTES", [1], ["x!"]), "n": ("INT64", [1], [5])}
            self.assertEqual(self.outputs(worker, body), expected)
            self.refused(worker, "/v2/infer", {"inputs": body["inputs"][:2]}, 400, "Model is missing inputs ['a']")
            float_for_int = [column("n", "FP64", 1.5), *body["inputs"][1:]]
            self.refused(worker, "/v2/infer", {"inputs": float_for_int}, 400, "n")
            row = {"a": 1, "b": "x", "n": 5}
            predicted = {"predictions": [{"twice": 2.0, "text": "x!", "n": 5}]}
            self.check(worker, "/v1/predict", {"instances": [row]}, 200, predicted)
            for path in ("/invocations", "/score"):
                self.check(worker, path, {"dataframe_records": [row]}, 200, predicted)
                self.check(worker, path, {"dataframe_split": {"columns": ["n", "a", "b"], "data": [[5, 1, "x"]]}}, 200, predicted)
                self.check(worker, path, b"a,b,n\n1,x,5\n", 200, predicted, content_type="text/csv")
            answer, text = self.post(worker, "/invocations", b"x", content_type="text/plain")
            self.assertEqual((answer["status"], answer["content_type"]), (415, "text/plain; charset=utf-8"))
            self.assertIn(b"text/csv", text)

    def test_an_array_by_its_signature(self):
        with Worker(mlflow=os.path.join(self.folder, "array")) as worker:
            described = worker.ready()["metadata"]
            self.assertEqual(described["inputs"], [{"name": "input", "datatype": "FP32", "shape": [-1, 3]}])
            self.assertEqual(described["outputs"], [{"name": "predict", "datatype": "FP32", "shape": [-1]}])
            tensor = {"name": "any", "shape": [2, 3], "datatype": "FP64", "data": [1, 2, 3, 4, 5, 6]}
            self.assertEqual(self.outputs(worker, {"inputs": [tensor]}), {"predict": ("FP32", [2], [6.0, 15.0])})
            self.refused(worker, "/v2/infer", {"inputs": [tensor, dict(tensor, name="y")]}, 400, "one tensor")


if __name__ == "__main__":
    unittest.main()
