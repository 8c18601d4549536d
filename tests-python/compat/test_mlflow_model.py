"""MLflow models in a worker: the request forms of MLflow's own server."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

from support import Worker

MAKE = """
import sys, numpy, pandas, mlflow
from mlflow.models import infer_signature

class Twice(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return [v * 2 if v > 0 else float("nan") for v in model_input["a"]]

table = pandas.DataFrame({"a": [1.0, 2.0], "b": ["p", "q"]})
mlflow.pyfunc.save_model(sys.argv[1], python_model=Twice(), signature=infer_signature(table, numpy.array([1.0])),
                         input_example=table)
"""

try:
    import mlflow  # noqa: F401
    import pandas  # noqa: F401
except ImportError:
    mlflow = None


class Models(unittest.TestCase):
    @unittest.skipIf(mlflow is None, "needs mlflow and pandas")
    def test_every_form_of_a_request(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = os.path.join(folder.name, "model")
        made = subprocess.run([sys.executable, "-c", MAKE, path], cwd=folder.name, capture_output=True, text=True)
        self.assertEqual(made.returncode, 0, made.stderr)
        good = [
            ({"dataframe_split": {"columns": ["b", "a"], "data": [["x", 3]]}}, '{"predictions": [6.0]}'),
            ({"dataframe_records": [{"a": -1, "b": "x"}]}, '{"predictions": [null]}'),
            ({"instances": [{"a": 1, "b": "x"}]}, '{"predictions": [2.0]}'),
            ({"inputs": {"a": [1.5], "b": ["x"]}}, '{"predictions": [3.0]}'),
            ({"input_data": {"columns": ["a", "b"], "data": [[1, "x"]]}}, "[2.0]"),
            ({"data": [{"a": 2, "b": "y"}]}, '{"predictions": [4.0]}'),
        ]
        bad = [[1], {}, {"instances": [], "inputs": []}, {"dataframe_records": [{"b": "x"}]}, {"inputs": 1, "params": 2}]
        with Worker(mlflow=path) as worker:
            head = worker.ready()
            self.assertTrue(head["ready"], head.get("error"))
            self._documents(head["swagger"], worker)
            self.assertEqual([part["shape"] for part in head["metadata"]["outputs"]], [[-1]])
            wide = {"inputs": [{"name": "x", "datatype": "FP64", "shape": [1, 3], "data": [1, 2, 3]}]}
            answer, body = worker.call(json.dumps(wide).encode(), path="/v2/infer")
            self.assertEqual(answer["status"], 400)
            self.assertIn(b"has 3 columns, 2 expected: a, b", body)
            for body, answer in good:
                self.assertEqual(worker.json(json.dumps(body).encode()), (200, answer))
            for body in bad:
                status, answer = worker.json(json.dumps(body).encode())
                self.assertEqual((status, json.loads(answer)["error_code"]), (400, "BAD_REQUEST"), body)
            answer, body = worker.call(b"a,b\n5,x\n", content_type="text/csv; charset=utf-8")
            self.assertEqual((answer["status"], body), (200, b'{"predictions": [10.0]}'))
            self.assertEqual(worker.call(b"x", content_type="text/plain")[0]["status"], 415)

    def _documents(self, documents, worker):
        """Documents come from the signature, and their example is a request that scores."""
        self.assertEqual(sorted(documents), ["2", "3", "3.1"])
        given = documents["2"]["definitions"]["ServiceInput"]
        row = given["properties"]["input_data"]["items"]
        self.assertEqual(row["properties"], {"a": {"type": "number", "format": "double"}, "b": {"type": "string"}})
        self.assertEqual(given["example"], {"input_data": [{"a": 1.0, "b": "p"}, {"a": 2.0, "b": "q"}]})
        self.assertEqual(worker.json(json.dumps(given["example"]).encode()), (200, "[2.0, 4.0]"))
        answer = documents["3"]["components"]["schemas"]["ServiceOutput"]
        self.assertEqual(answer, {"type": "array", "items": {"type": "number"}})

    def test_a_model_without_its_package_says_what_it_needs(self):
        with Worker(mlflow="nowhere", files={"mlflow.py": "raise ImportError('not here')"}) as worker:
            head = worker.ready()
            self.assertFalse(head["ready"])
            self.assertIn("this model needs the package mlflow in its environment (not here)", head["error"])
            self.assertEqual(worker.process.wait(60), 3)


if __name__ == "__main__":
    unittest.main()
