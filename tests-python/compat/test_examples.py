"""The example repositories: trained by their own scripts and served by their own `score.py`, with the figures they reach.

`PORTCULLIS_TABLES` names the folder of the tables; without it what needs one is passed over.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import unittest

from support import PACKAGE, REPOSITORY, Worker

TABLES = os.environ.get("PORTCULLIS_TABLES", os.path.join(REPOSITORY, "examples", "german-credit"))
CREDIT = os.path.join(REPOSITORY, "examples", "credit-scripts", "models", "german-credit-basic")
BANKNOTE = os.path.join(REPOSITORY, "examples", "banknote", "models", "banknote")
COLUMNS = ["Age", "Sex", "Job", "Housing", "Saving accounts", "Checking account", "Credit amount", "Duration", "Purpose"]

try:
    import pandas  # noqa: F401
    import sklearn  # noqa: F401
except ImportError:
    sklearn = None


def run(folder, *command):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    environment["PYTHONPATH"] = PACKAGE
    done = subprocess.run([sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True, timeout=600)
    if done.returncode:
        raise AssertionError(done.stderr)
    return done.stdout


def trained(test, models, table):
    """The folder where `train.py` ran on a table, and what it printed."""
    if sklearn is None or not os.path.isfile(os.path.join(TABLES, table)):
        test.skipTest("needs scikit-learn and %s" % table)
    folder = tempfile.TemporaryDirectory()
    test.addCleanup(folder.cleanup)
    return folder.name, run(folder.name, os.path.join(models, "train.py"), "--data_path", TABLES)


class Credit(unittest.TestCase):
    def test_from_training_to_answers(self):
        folder, output = trained(self, CREDIT, "german_credit_data.csv")
        self.assertIn("Training accuracy: 0.745\nTesting accuracy: 0.735\n", output)
        for line in ("ranked global importance values: [", "ranked global importance names: ['Checking account'"):
            self.assertIn(line, output)
        self.assertIn("global importance rank: [5, ", output)
        kept = os.path.join(folder, ".portcullis-run")
        with open(os.path.join(kept, "run.jsonl")) as file:
            lines = [json.loads(line) for line in file]
        self.assertIn({"metric": "Train accuracy", "value": 0.745, "step": 0}, lines)
        self.assertIn({"metric": "Test accuracy", "value": 0.735, "step": 0}, lines)
        (explanation,) = os.listdir(os.path.join(kept, "artifacts", "explanation"))
        with open(os.path.join(kept, "artifacts", "explanation", explanation)) as file:
            self.assertEqual(json.load(file)["classes"], ["bad", "good"])
        environment = {"AZUREML_MODEL_DIR": os.path.join(folder, "outputs"), "SERVICE_NAME": "german-credit"}
        with Worker(app_root=CREDIT, env=environment) as worker:
            self.answers(worker)

    def answers(self, worker):
        head = worker.ready()
        self.assertTrue(head["ready"], head.get("error"))
        sample = head["swagger"]["2"]["definitions"]["ServiceInput"]["example"]
        self.assertEqual(list(sample["data"][0]), COLUMNS)
        status, body = worker.json(json.dumps(sample).encode())
        (bad, good), = json.loads(body)["predict_proba"]
        self.assertEqual((status, round(bad, 2), round(good, 2)), (200, 0.69, 0.31))
        # The load notebook's requests, each of which is answered.
        choose = random.Random(0)
        for _ in range(200):
            account = choose.choice(["little", "moderate", "rich"]), choose.choice(["little", "moderate", "rich"])
            values = (
                choose.randint(18, 80),
                choose.choice(["male", "female"]),
                choose.randint(0, 3),
                choose.choice(["own", "rent"]),
                *account,
                choose.randint(100, 100000),
                choose.choice([6, 12, 24, 36, 48]),
                choose.choice(["radio/TV", "car", "business"]),
            )
            status, body = worker.json(json.dumps({"data": [dict(zip(COLUMNS, values))]}).encode())
            self.assertEqual((status, len(json.loads(body)["predict_proba"])), (200, 1))
        status, body = worker.json(b'{"data": [{"Age": 20}]}')
        self.assertEqual(status, 400)
        self.assertIn("missing columns: Checking account, Credit amount", body)

    def test_the_reference_figures(self):
        if sklearn is None or not os.path.isfile(os.path.join(TABLES, "german_credit_data.csv")):
            self.skipTest("needs scikit-learn and the table")
        script = os.path.join(REPOSITORY, "tests-python", "ref01.py")
        output = run(REPOSITORY, script, os.path.join(TABLES, "german_credit_data.csv"))
        printed = "Train accuracy 0.745\nTest accuracy 0.735\nTest AUC 0.7511\nRequest [[0.69007, 0.30993]]\n"
        self.assertIn("as printed\n" + printed, output)


class Banknote(unittest.TestCase):
    def test_the_scaler_is_served_with_the_model(self):
        folder, output = trained(self, BANKNOTE, "banknote_authentication.csv")
        self.assertIn("Accuracy on the held-out notes: 1.000\nAccuracy over all notes, raw values in: 1.000\n", output)
        with Worker(app_root=BANKNOTE, env={"AZUREML_MODEL_DIR": os.path.join(folder, "outputs")}) as worker:
            head = worker.ready()
            self.assertTrue(head["ready"], head.get("error"))
            names = ["variance", "skewness", "curtosis", "entropy"]
            notes = [(3.6216, 8.6661, -2.8073, -0.44699), (-1.3971, 3.3191, -1.3927, -1.9948)]
            body = json.dumps({"data": [dict(zip(names, note)) for note in notes]}).encode()
            self.assertEqual(worker.json(body), (200, '{"prediction": ["genuine", "forged"]}'))


if __name__ == "__main__":
    unittest.main()
