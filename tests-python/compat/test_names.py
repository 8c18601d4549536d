"""The names of the Azure ML SDK without a server: runs in a folder, collectors, and what is not supported."""

import csv
import io
import json
import os
import subprocess
import sys
import tempfile
import textwrap
import unittest

import support

NAMES = ("MLFLOW_TRACKING_URI", "PORTCULLIS_SERVER", "MLFLOW_RUN_ID", "AZUREML_RUN_ID")


def python(script, folder, **env):
    """Runs a script in a folder as a user would; gives its output."""
    environment = {name: value for name, value in os.environ.items() if name not in NAMES}
    environment.update(PYTHONPATH=support.PACKAGE, **env)
    command = [sys.executable, "-c", textwrap.dedent(script)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise AssertionError(done.stderr)
    return done.stdout


def refused(script, folder, **env):
    """The last line of a script that fails."""
    try:
        python(script, folder, **env)
    except AssertionError as error:
        return str(error).strip().splitlines()[-1]
    raise AssertionError("it did not fail: " + script)


class InFolder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, *parts):
        return os.path.join(self.folder, *parts)


class Runs(InFolder):
    def test_a_run_without_a_server_prints_and_keeps_a_folder(self):
        script = """
        from azureml.core import Run, VERSION
        from azureml.core.run import Run as Same
        run = Run.get_context()
        assert run is Same.get_context() and run.id.startswith("OfflineRun_") and VERSION
        assert run.parent is None and run.experiment.workspace.name == "credit-ws"
        run.log("Train accuracy", 0.745)
        run.log("Train accuracy", 0.75)
        run.log("note", "a text")
        run.log_list("losses", [3, 2])
        run.log_row("table", a=1, b="x")
        run.log_row("table", a=2, b="y")
        run.log_confusion_matrix("matrix", {"data": {"matrix": [[1, 0], [0, 1]]}})
        run.tag("kind", "test")
        open("f.txt", "w").write("content")
        run.upload_file("files/f.txt", "f.txt")
        run.complete()
        """
        output = python(script, self.folder, AZUREML_ARM_WORKSPACE_NAME="credit-ws")
        self.assertIn("Attempted to log scalar metric Train accuracy:\n0.745\n", output)
        with open(self.path(".portcullis-run", "run.jsonl")) as file:
            lines = [json.loads(line) for line in file]
        self.assertIn({"metric": "Train accuracy", "value": 0.745, "step": 0}, lines)
        self.assertIn({"metric": "Train accuracy", "value": 0.75, "step": 1}, lines)
        self.assertIn({"metric": "losses", "value": 2.0, "step": 1}, lines)
        self.assertIn({"metric": "table/a", "value": 2.0, "step": 1}, lines)
        self.assertIn({"tag": "note", "value": "a text"}, lines)
        self.assertEqual(lines[-1], {"status": "FINISHED"})
        with open(self.path(".portcullis-run", "artifacts", "table.json")) as file:
            self.assertEqual(json.load(file), {"columns": ["a", "b"], "data": [[1, "x"], [2, "y"]]})
        with open(self.path(".portcullis-run", "artifacts", "files", "f.txt")) as file:
            self.assertEqual(file.read(), "content")

    def test_files_stay_in_the_run(self):
        open(self.path("f"), "w").close()
        script = "from azureml.core import Run\nRun.get_context().upload_file(%r, 'f')"
        for name in ("../f", "/f", "a/../../f", "."):
            self.assertIn("must be relative", refused(script % name, self.folder))

    def test_config_json_is_found_upwards(self):
        os.makedirs(self.path("a", "b"))
        names = {"subscription_id": "s", "resource_group": "g", "workspace_name": "w"}
        with open(self.path("config.json"), "w") as file:
            json.dump(names, file)
        script = "from azureml.core import Workspace as W\nw = W.from_config()\nprint(w.name, w.resource_group, w.subscription_id)"
        self.assertEqual(python(script, self.path("a", "b")), "w g s\n")
        with open(self.path("a", "config.json"), "w") as file:
            file.write('{"workspace_name": "w"}')
        self.assertIn("lacks subscription_id, resource_group", refused(script, self.path("a", "b")))

    def test_model_path_in_a_worker(self):
        os.makedirs(self.path("model"))
        open(self.path("model", "credit.pkl"), "w").close()
        script = "from azureml.core.model import Model\nprint(Model.get_model_path('credit'))"
        found = python(script, self.folder, AZUREML_MODEL_DIR=self.path("model")).strip()
        self.assertEqual(found, self.path("model", "credit.pkl"))


class Missing(InFolder):
    def test_a_missing_name_says_which_and_what_to_do(self):
        cases = {
            "from azureml.core import ScriptRunConfig": "azureml.core.ScriptRunConfig is not supported by Portcullis: write the "
            "job as YAML",
            "from azureml.pipeline.core import Pipeline": "azureml.pipeline is not supported by Portcullis: submit the step",
            "from azureml.pipeline.steps import PythonScriptStep": "azureml.pipeline is not supported",
            "from azureml.train.automl import AutoMLConfig": "azureml.train is not supported",
            "from azureml.data.dataset_consumption_config import DatasetConsumptionConfig": "name the data asset as an input",
            "from azureml.core.compute import AksCompute": "a job runs on the server's machine",
            "from azureml.core.authentication import AzureCliAuthentication": "portcullis token issue",
            "import azureml.nothing": "azureml.nothing is not supported by Portcullis: here are azureml.core",
            "from interpret.ext.blackbox import MimicExplainer": "use TabularExplainer",
            "from azureml.core import Run; Run.get_context().submit_child()": "portcullis job submit",
            "from azureml.core import Run; Run.get_context().frob": "Run.frob is not supported by Portcullis: use log",
            "from azureml.core import Run; Run.get_context(allow_offline=False)": "MLFLOW_TRACKING_URI and MLFLOW_RUN_ID",
            "from azureml.core import Workspace; Workspace.from_config()": "no config.json in",
            "from azureml.core import Webservice; Webservice(None, 'x')": "set MLFLOW_TRACKING_URI",
            "from azureml.core import Dataset; Dataset.File.from_files('x')": "portcullis data register",
            "from azureml.core.model import InferenceConfig; InferenceConfig()": "inference-config.yml",
            "from inference_schema.parameter_types.spark_parameter_type import SparkParameterType": "PandasParameterType",
        }
        for code, text in cases.items():
            self.assertIn(text, refused(code, self.folder), code)


class Collector(InFolder):
    USE = """
    from azureml.monitoring import ModelDataCollector
    inputs = ModelDataCollector("m", designation="inputs", feature_names=["a", "b"])
    predictions = ModelDataCollector("m", designation="predictions", feature_names=["bad", "good"])
    rows = [[1, "x, y"], [2, "z"]]
    correlations = inputs.collect(rows)
    answer = [[0.7, 0.3], [0.1, 0.9]]
    with_them = predictions.add_correlations(answer, correlations)
    predictions.collect(with_them)
    print(correlations, with_them is answer)
    """

    def test_off_it_does_nothing(self):
        lines = python(self.USE, self.folder).splitlines()
        self.assertEqual(lines[-1], "None True")
        self.assertEqual(len(lines), 3)
        self.assertEqual(os.listdir(self.folder), [])

    def test_full_it_stops_and_says_so_once(self):
        script = """
        import os
        from azureml.monitoring import ModelDataCollector
        inputs = ModelDataCollector("m", designation="inputs", feature_names=["a"])
        for _ in range(50):
            assert inputs.collect([["x" * 1000]])
        print(sum(os.path.getsize(os.path.join(f, n)) for f, _, names in os.walk("modeldata") for n in names))
        """
        env = {"AML_MODEL_DC_STORAGE_ENABLED": "true", "PORTCULLIS_MODELDATA_MAX_BYTES": "10000"}
        first = int(python(script, self.folder, **env).splitlines()[-1])
        self.assertTrue(9000 < first < 12000, first)
        self.assertEqual(int(python(script, self.folder, **env).splitlines()[-1]), first)

    def test_on_it_writes_rows_bound_by_their_correlations(self):
        env = {
            "AML_MODEL_DC_STORAGE_ENABLED": "true",
            "WORKSPACE_NAME": "ws",
            "SERVICE_NAME": "svc",
            "AZUREML_ARM_SUBSCRIPTION": "sub",
            "AZUREML_ARM_RESOURCEGROUP": "rg",
        }
        python(self.USE, self.folder, **env)
        python(self.USE, self.folder, **env)
        found = {}
        for base, _, names in os.walk(self.path("modeldata", "sub", "rg", "ws", "svc", "m", "1")):
            for name in names:
                self.assertRegex(os.path.relpath(base, self.folder), r"/(inputs|predictions)/\d{4}/\d\d/\d\d$")
                with open(os.path.join(base, name), newline="") as file:
                    found[name] = list(csv.reader(file))
        inputs, predictions = found["inputs.csv"], found["predictions.csv"]
        tail = ["$aml_dc_correlation_id", "$aml_dc_scoring_timestamp", "$aml_dc_boundary", "$aml_workspace"]
        tail += ["$aml_service_name", "$aml_model_name", "$aml_model_version", "$aml_request_id"]
        self.assertEqual(inputs[0], ["a", "b", *tail])
        self.assertEqual(predictions[0], ["bad", "good", *tail])
        self.assertEqual(len(inputs), 5)
        self.assertEqual(inputs[1][:2], ["1", "x, y"])
        self.assertEqual(inputs[1][4:9], ["1440", "ws", "svc", "m", "1"])
        self.assertEqual(inputs[1][2], predictions[1][2])
        self.assertNotEqual(inputs[1][2], inputs[3][2])

    def test_a_file_that_cannot_be_written_fails_no_call(self):
        open(self.path("modeldata"), "w").close()
        output = python(self.USE, self.folder, AML_MODEL_DC_STORAGE_ENABLED="true")
        self.assertIn("$aml_dc_correlation_id", output)

    def test_arrays_and_frames(self):
        try:
            import numpy  # noqa: F401
            import pandas  # noqa: F401
        except ImportError:
            self.skipTest("needs numpy and pandas")
        script = """
        import numpy as np, pandas as pd
        from azureml.monitoring import ModelDataCollector
        inputs = ModelDataCollector("m", designation="inputs", feature_names=["a", "b"])
        correlations = inputs.collect(pd.DataFrame({"a": [1], "b": [2]}))
        assert list(correlations)[0] == "$aml_dc_correlation_id" and correlations["$aml_dc_boundary"] == "60"
        assert inputs.add_correlations(np.array([[1.0, 2.0]]), correlations).shape == (1, 10)
        assert inputs.add_correlations(np.array([1.0, 2.0]), correlations).shape == (10,)
        assert inputs.add_correlations(pd.DataFrame({"a": [1]}), correlations).shape == (1, 9)
        assert inputs.add_correlations([1], correlations)[1:] == list(correlations.values())
        assert inputs.collect(np.array([1.0, 2.0])) and inputs.collect([{"a": 1, "b": 2}])
        try:
            inputs.collect([1, 2, 3])
        except ValueError as error:
            print(error)
        """
        env = {"AML_MODEL_DC_STORAGE_ENABLED": "True", "AML_MODEL_DC_BOUNDARY": "hour"}
        self.assertIn("a row has 3 values, the inputs of model m have 2 features: a, b", python(script, self.folder, **env))


class Requests(unittest.TestCase):
    def test_headers_of_a_response(self):
        from azureml_inference_server_http.api.aml_response import AMLResponse

        response = AMLResponse(None, 200)
        self.assertEqual((response.get_data(), response.headers["content-type"]), (b"{}", "application/json"))
        response = AMLResponse({"a": 1}, 400, json_str=True, run_function_failed=True)
        self.assertEqual((response.get_data(as_text=True), response.headers["X-MS-Run-Function-Failed"]), ('{"a": 1}', "True"))

    def test_a_request_reads_json_and_forms(self):
        from azureml.contrib.services.aml_request import AMLRequest

        request = AMLRequest("POST", "/score", "a=1&a=2", {"Content-Type": "application/json"}, b'{"x": 1}')
        self.assertEqual((request.json, request.args["a"], request.args.getlist("a")), ({"x": 1}, "1", ["1", "2"]))
        request = AMLRequest("POST", "/score", "", {"content-type": "application/x-www-form-urlencoded"}, b"a=1&b=")
        self.assertEqual(dict(request.form), {"a": "1", "b": ""})
        self.assertIsNone(request.get_json(silent=True))
        self.assertIsInstance(request.stream, io.BytesIO)


if __name__ == "__main__":
    unittest.main()
