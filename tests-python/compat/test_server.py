"""The names of the Azure ML SDK against a running server: the run of a job as scripts see it.

`PORTCULLIS_TEST_URL` and `PORTCULLIS_TEST_TOKEN` name the server; without them everything here is passed over.
"""

import json
import os
import sys
import tempfile
import unittest
import uuid

from support import PACKAGE, REPOSITORY
from test_names import python, refused

sys.path.insert(0, PACKAGE)
from portcullis_compat.rest import Server, ServerError  # noqa: E402

URL, TOKEN = os.environ.get("PORTCULLIS_TEST_URL", ""), os.environ.get("PORTCULLIS_TEST_TOKEN", "")
TABLE = os.path.join(REPOSITORY, "examples", "german-credit")
TRAIN = os.path.join(REPOSITORY, "examples", "credit-scripts", "models", "german-credit-basic", "train.py")


@unittest.skipUnless(URL, "needs PORTCULLIS_TEST_URL")
class OfJob(unittest.TestCase):
    """Scripts in the environment of a job: its run was made before they start, and is ended after them."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.server = Server(URL, {"Authorization": "Bearer " + TOKEN} if TOKEN else {})
        self.name = "scripts-" + uuid.uuid4().hex
        made = self.server.mlflow("POST", "experiments/create", {"name": self.name})
        self.experiment = made["experiment_id"]
        body = {"experiment_id": self.experiment, "start_time": 1}
        self.run_id = self.server.mlflow("POST", "runs/create", body)["run"]["info"]["run_id"]
        self.env = {
            "MLFLOW_TRACKING_URI": URL,
            "MLFLOW_TRACKING_TOKEN": TOKEN,
            "MLFLOW_RUN_ID": self.run_id,
            "MLFLOW_EXPERIMENT_ID": self.experiment,
            "AZUREML_ARM_WORKSPACE_NAME": "ws",
        }

    def run_now(self):
        return self.server.mlflow("GET", "runs/get", {"run_id": self.run_id})["run"]

    def artifact(self, path):
        root = self.run_now()["info"]["artifact_uri"].partition(":")[2].lstrip("/")
        return self.server.get_artifact(root + "/" + path)

    def test_what_a_script_logs(self):
        script = """
        import io
        from azureml.core import Run, Workspace
        run = Run.get_context()
        print(run.experiment.name, run.experiment.workspace.name, Workspace.from_config().name, run.parent)
        for value in (3, 2, float("nan")):
            run.log("Train loss", value)
        run.log_list("many", list(range(1500)))
        run.log_table("table", {"a": [1, 2], "b": ["x", "y"]})
        run.log_row("row", n=1, t="z")
        run.set_tags({"kind": "test", "empty": None})
        run.upload_file("files/a b.txt", io.BytesIO(b"content"))
        print(run.get_file_names())
        run.download_file("files/a b.txt", "copy.txt")
        print(open("copy.txt").read(), run.get_metrics("many")["many"][-1], run.status, run.get_tags()["kind"])
        child = run.child_run("part")
        child.log("x", 1)
        child.complete()
        print(child.parent.id == run.id, [c.id for c in run.get_children()] == [child.id], child.status)
        run.complete()
        """
        lines = python(script, self.folder, **self.env).splitlines()
        self.assertEqual(lines[0], "%s ws ws None" % self.name)
        self.assertEqual(lines[1], "['files/a b.txt', 'table.json']")
        self.assertEqual(lines[2:], ["content 1499.0 Running test", "True True Completed"])
        run = self.run_now()
        self.assertEqual(run["info"]["status"], "RUNNING")
        metrics = {metric["key"]: metric for metric in run["data"]["metrics"]}
        self.assertEqual((metrics["Train loss"]["value"], metrics["Train loss"]["step"]), ("NaN", 2))
        self.assertEqual(metrics["row/n"]["value"], 1)
        self.assertEqual(json.loads(self.artifact("table.json")), {"columns": ["a", "b"], "data": [[1, "x"], [2, "y"]]})
        self.assertEqual(json.loads(self.artifact("row.json"))["data"], [[1, "z"]])

    def test_models_are_registered_from_the_run(self):
        name = "credit-" + uuid.uuid4().hex
        script = """
        import os
        from azureml.core import Model, Run, Workspace
        run = Run.get_context()
        os.makedirs("outputs")
        open("outputs/credit.pkl", "wb").write(b"model")
        model = run.register_model(%r, "outputs/credit.pkl", properties={"git-commit-id": "abc"})
        again = run.register_model(%r, "outputs/credit.pkl", datasets=[["training data", "german:1"]])
        print(model.version, again.version, model.run_id == run.id, model.tags)
        ws = Workspace.from_config()
        found = Model(ws, %r)
        print(found.version, found.tags, len(Model.list(ws, %r)), ws.models[%r].version)
        os.makedirs("other")
        os.chdir("other")
        path = Model.get_model_path(%r, version=1)
        print(path, open(path, "rb").read())
        """
        lines = python(script % ((name,) * 6), self.folder, **self.env).splitlines()
        self.assertEqual(lines[0], "1 2 True {'git-commit-id': 'abc'}")
        self.assertEqual(lines[1], "2 {'dataset.training data': 'german:1'} 2 2")
        self.assertEqual(lines[2], "azureml-models/%s/1/credit.pkl b'model'" % name)

    def test_refusals_of_the_server_are_told(self):
        script = "from azureml.core import Run\nRun.get_context().log('x', 1)"
        environment = dict(self.env, MLFLOW_RUN_ID="0" * 32)
        self.assertIn("404 Run with id=%s not found" % ("0" * 32), refused(script, self.folder, **environment))
        if TOKEN:
            self.assertIn("401", refused(script, self.folder, **dict(self.env, MLFLOW_TRACKING_TOKEN="wrong")))
        with self.assertRaises(ServerError) as seen:
            self.server.mlflow("GET", "runs/get", {"run_id": "0" * 32})
        self.assertEqual((seen.exception.status, seen.exception.code), (404, "RESOURCE_DOES_NOT_EXIST"))

    def test_a_run_of_ones_own(self):
        script = """
        import os
        from azureml.core import Experiment, Workspace
        os.makedirs("outputs")
        open("outputs/m", "w").close()
        experiment = Experiment(Workspace.from_config(), "own-%s")
        with experiment.start_logging() as run:
            run.log("a", 1)
        print(run.get_status(), run.get_file_names(), [r.id for r in experiment.get_runs()] == [run.id])
        """
        environment = {name: self.env[name] for name in ("MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_TOKEN")}
        output = python(script % self.name, self.folder, **environment)
        self.assertEqual(output, "Completed ['outputs/m'] True\n")

    def test_the_example_trains_as_a_run(self):
        try:
            import sklearn  # noqa: F401
        except ImportError:
            self.skipTest("needs scikit-learn")
        code = "import runpy, sys; sys.argv = [%r, '--data_path', %r]; runpy.run_path(%r, run_name='__main__')"
        output = python(code % (TRAIN, TABLE, TRAIN), self.folder, **self.env)
        self.assertIn("Training accuracy: 0.745\nTesting accuracy: 0.735\n", output)
        metrics = {m["key"]: m["value"] for m in self.run_now()["data"]["metrics"]}
        self.assertEqual(metrics, {"Train accuracy": 0.745, "Test accuracy": 0.735})
        script = """
        from azureml.core import Run
        from azureml.interpret import ExplanationClient
        client = ExplanationClient.from_run(Run.get_context())
        print([e["comment"] for e in client.list_model_explanations()])
        print(client.download_model_explanation().get_ranked_global_names(1))
        """
        found = python(script, self.folder, **self.env)
        self.assertEqual(found, "['global explanation: all features']\n['Checking account']\n")


if __name__ == "__main__":
    unittest.main()
