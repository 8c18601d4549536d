"""Scores written models with onnxruntime on the quarters that examples/bank.rs held out, and checks them with onnx.

Run by hand: pip install onnx onnxruntime scikit-learn pandas; python score.py FILE TARGET DIR [SEEDS]
where DIR is what `bank --out DIR` wrote.
"""
import json
import sys

import numpy as np
import onnx
import onnxruntime
import pandas as pd
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score

from compare import held_out


def main():
    file, target, folder = sys.argv[1:4]
    seeds = [int(s) for s in (sys.argv[4] if len(sys.argv) > 4 else "1,2,3").split(",")]
    table = pd.read_csv(file, keep_default_na=False)
    results = []
    for seed in seeds:
        path = f"{folder}/model-{seed}.onnx"
        model = onnx.load(path)
        onnx.checker.check_model(model, full_check=True)
        facts = {p.key: json.loads(p.value) for p in model.metadata_props}
        signature = facts["portcullis.signature"]
        out = table[held_out(len(table), seed)]
        feed = {}
        for feature in signature["inputs"]:
            values = out[feature["name"]].to_numpy()
            if feature["type"] == "category":
                feed[feature["name"]] = values.astype(str).astype(object).reshape(-1, 1)
            else:
                feed[feature["name"]] = pd.to_numeric(values).astype(np.float32).reshape(-1, 1)
        session = onnxruntime.InferenceSession(path)
        answers = session.run(None, feed)
        ours = np.loadtxt(f"{folder}/answers-{seed}.csv", delimiter=",", ndmin=2)
        print(seed, "largest difference to our evaluator %.1e" % np.abs(ours - answers[-1]).max())
        if signature["output"]["task"] == "regression":
            print(seed, "RMSE", np.sqrt(np.mean((answers[0].ravel() - out[target]) ** 2)))
            continue
        classes = np.array(signature["output"]["classes"])
        label, p = answers
        assert (classes[p.argmax(1)] == label).all()
        if len(classes) > 2:
            print(seed, "accuracy", accuracy_score(out[target], label), "log loss", log_loss(out[target], p))
            continue
        truth = (out[target] == classes[1]).astype(int)
        results.append((accuracy_score(truth, p.argmax(1)), roc_auc_score(truth, p[:, 1]), log_loss(truth, p[:, 1])))
        print(seed, "accuracy %.5f AUC %.5f log loss %.5f" % results[-1])
    if results:
        print("mean accuracy %.5f AUC %.5f log loss %.5f" % tuple(np.mean(results, axis=0)))


if __name__ == "__main__":
    main()
