"""Our AutoML beside FLAML, AutoGluon and one HistGradientBoosting: the same rows, seconds and cores, one after another.

    python compare.py run RESULTS.jsonl --environments FOLDER --tables FOLDER --binary target/release/portcullis
           [--systems portcullis,flaml,autogluon,histgb] [--only TABLE,…] [--seconds 30,60] [--seeds 10]
    python compare.py report RESULTS.jsonl

Every seed draws another stratified quarter of a table as the test; what is learned from is the rest. ``run`` goes on where a former one
ended: a line that is there is not measured again. Log loss (classification) and root mean squared error (regression) decide; ranks are
means over tables and seeds; "behind" is a paired t-test over the seeds at 5 %. Run it with the interpreter of the environment ``base``.

``measured.jsonl`` beside this file is what was measured so far, on two quiet cores with nothing else at work: copy it and go on with the
copy. Lines of ours are those of the program at that commit; remove them when the search has changed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

import numpy
import pandas
from scipy import stats
from sklearn import metrics
from sklearn.model_selection import train_test_split

HERE = Path(__file__).parent
# System → environment and script.
SYSTEMS = {
    "portcullis": ("base", "portcullis.py"),
    "flaml": ("flaml", "flaml_automl.py"),
    "autogluon": ("autogluon", "autogluon_tabular.py"),
    "histgb": ("base", "histgb.py"),
}
CORES = "0,1"
# A system that takes longer than this many times its budget, and this many seconds more, is stopped.
PATIENCE, GRACE = 4, 120
CLIP = 1e-15


def split(frame: pandas.DataFrame, target: str, task: str, seed: int) -> Tuple[pandas.DataFrame, pandas.DataFrame]:
    """Three quarters to learn from and a quarter to judge by; classes with one row are learned from."""
    strata = frame[target].astype(str) if task == "classification" else None
    alone = frame[strata.map(strata.value_counts()) < 2] if strata is not None else frame.iloc[:0]
    rest = frame.drop(index=alone.index)
    train, test = train_test_split(rest, test_size=0.25, random_state=seed, stratify=None if strata is None else strata[rest.index])
    return pandas.concat([train, alone]), test


def judge(task: str, truth: pandas.Series, answer: Dict[str, Any]) -> Dict[str, float]:
    """The measures of a system's predictions."""
    predicted = numpy.asarray(answer["predictions"])
    if task == "regression":
        values = truth.to_numpy(dtype=float)
        return {"loss": float(metrics.root_mean_squared_error(values, predicted)), "r2": float(metrics.r2_score(values, predicted))}
    classes = list(answer["classes"])
    if predicted.ndim == 1:
        predicted = numpy.column_stack([1 - predicted, predicted])
    truth = truth.astype(str)
    place = {name: at for at, name in enumerate(classes)}
    at = truth.map(place)
    # A class that a system does not know has no probability there.
    share = numpy.array([predicted[row, int(k)] if k == k else 0.0 for row, k in enumerate(at)])
    measured = {
        "loss": float(-numpy.log(numpy.clip(share, CLIP, 1)).mean()),
        "accuracy": float(numpy.mean([classes[k] for k in predicted.argmax(axis=1)] == truth.to_numpy())),
    }
    present = [name for name in classes if (truth == name).any()]
    if len(classes) == 2 and len(present) == 2:
        measured["auc"] = float(metrics.roc_auc_score(truth == classes[1], predicted[:, 1]))
    elif len(present) > 1:
        areas = [(metrics.roc_auc_score(truth == name, predicted[:, place[name]]), (truth == name).mean()) for name in present]
        measured["auc"] = float(numpy.average([a for a, _ in areas], weights=[w for _, w in areas]))
    return measured


def one(args: argparse.Namespace, frame: pandas.DataFrame, about: Dict[str, Any], case: Dict[str, Any]) -> Dict[str, Any]:
    """One system on one split."""
    environment, script = SYSTEMS[case["system"]]
    train, test = split(frame, about["target"], about["task"], case["seed"])
    spec = {"target": about["target"], "task": about["task"], "seconds": case["seconds"], "seed": case["seed"]}
    spec["metric"] = "log_loss" if about["task"] == "classification" else "normalized_root_mean_squared_error"
    with tempfile.TemporaryDirectory() as work:
        paths = [Path(work) / name for name in ("train.csv", "test.csv", "spec.json", "out.json")]
        train.to_csv(paths[0], index=False)
        test.to_csv(paths[1], index=False)
        paths[2].write_text(json.dumps({**spec, "work": work}))
        python = (args.environments / environment / "bin/python").absolute()
        command = ["taskset", "-c", CORES, str(python), str(HERE / "systems" / script), *map(str, paths)]
        most = case["seconds"] * PATIENCE + GRACE
        start = time.perf_counter()
        try:
            variables = {**os.environ, "PORTCULLIS": str(args.binary)}
            # Some systems leave files where they run.
            ran = subprocess.run(command, cwd=work, capture_output=True, text=True, timeout=most, env=variables, check=False)
        except subprocess.TimeoutExpired:
            return {**case, "error": f"stopped after {most} s"}
        wall = time.perf_counter() - start
        if ran.returncode or not paths[3].exists():
            return {**case, "error": ran.stderr.strip()[-400:]}
        answer = json.loads(paths[3].read_text())
    facts = {key: answer[key] for key in ("seconds", "bytes", "microseconds", "note") if key in answer}
    facts["fit_seconds"] = facts.pop("seconds")
    return {**case, **facts, "wall_seconds": wall, **judge(about["task"], test[about["target"]], answer)}


def cases(args: argparse.Namespace, tables: Dict[str, Any]) -> Iterator[Dict[str, Any]]:
    """All that is to be measured, seed by seed, so that an early end leaves whole seeds."""
    names = args.only.split(",") if args.only else list(tables)
    for seed in range(args.first_seed, args.first_seed + args.seeds):
        for seconds in map(int, args.seconds.split(",")):
            for table in names:
                for system in args.systems.split(","):
                    yield {"table": table, "system": system, "seconds": seconds, "seed": seed}


def run(args: argparse.Namespace) -> None:
    tables = json.loads((args.tables / "tables.json").read_text())
    key = lambda line: (line["table"], line["system"], line["seconds"], line["seed"])  # noqa: E731
    there = {key(json.loads(line)) for line in args.results.read_text().splitlines()} if args.results.exists() else set()
    for case in cases(args, tables):
        if key(case) in there:
            continue
        about = tables[case["table"]]
        types = {about["target"]: str} if about["task"] == "classification" else None
        line = one(args, pandas.read_csv(args.tables / f"{case['table']}.csv", dtype=types), about, case)
        with args.results.open("a") as file:
            file.write(json.dumps(line) + "\n")
        shown = line.get("error", "")[-120:] or f"loss {line['loss']:.5f}  {line['fit_seconds']:.1f} s"
        print(f"{case['table']:<18}{case['system']:<12}{case['seconds']:>4} s  seed {case['seed']}  {shown}", flush=True)


def report(args: argparse.Namespace) -> None:
    """Mean losses by table and system, mean ranks, and where we are significantly behind or ahead of the best peer."""
    lines = [json.loads(line) for line in args.results.read_text().splitlines()]
    for seconds in sorted({line["seconds"] for line in lines}):
        by: Dict[str, Dict[str, Dict[int, Dict[str, Any]]]] = defaultdict(lambda: defaultdict(dict))
        for line in lines:
            if line["seconds"] == seconds:
                by[line["table"]][line["system"]][line["seed"]] = line
        systems = [s for s in SYSTEMS if any(s in table for table in by.values())]
        print(f"\n## {seconds} s\n\n| table | seeds | {' | '.join(systems)} | against the best peer |")
        print("|" + "---|" * (len(systems) + 3))
        ranks: Dict[str, List[float]] = defaultdict(list)
        for table, found in by.items():
            seeds = sorted(set.intersection(*(set(found[s]) for s in systems)))
            if not seeds:
                continue
            losses = {s: numpy.array([found[s][seed].get("loss", numpy.inf) for seed in seeds]) for s in systems}
            for at in range(len(seeds)):
                placed = stats.rankdata([losses[s][at] for s in systems])
                [ranks[s].append(float(rank)) for s, rank in zip(systems, placed)]
            cells = [f"{losses[s].mean():.4f}" if numpy.isfinite(losses[s]).all() else "failed" for s in systems]
            print(f"| {table} | {len(seeds)} | {' | '.join(cells)} | {verdict(losses)} |")
        if ranks:
            print("| **mean rank** | | " + " | ".join(f"{numpy.mean(ranks[s]):.2f}" for s in systems) + " | |")
        for fact in ("fit_seconds", "bytes", "microseconds"):
            values = {s: [line[fact] for line in lines if line["system"] == s and line["seconds"] == seconds and fact in line] for s in systems}
            print(f"| median {fact} | | " + " | ".join(f"{numpy.median(values[s]):.0f}" if values[s] else "" for s in systems) + " | |")


def verdict(losses: Dict[str, numpy.ndarray]) -> str:
    """Our loss less that of the best peer, with the p-value of the paired t-test."""
    peers = {s: v for s, v in losses.items() if s != "portcullis" and numpy.isfinite(v).all()}
    if "portcullis" not in losses or not peers or not numpy.isfinite(losses["portcullis"]).all():
        return ""
    best = min(peers, key=lambda s: peers[s].mean())
    gap = losses["portcullis"] - peers[best]
    p = float(stats.ttest_1samp(gap, 0.0).pvalue) if len(gap) > 1 and gap.std() > 0 else float("nan")
    word = "" if not p < 0.05 else " **behind**" if gap.mean() > 0 else " ahead"
    return f"{gap.mean():+.4f} ({best}, p {p:.2f}){word}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("verb", choices=["run", "report"])
    parser.add_argument("results", type=Path)
    parser.add_argument("--environments", type=Path)
    parser.add_argument("--tables", type=Path)
    parser.add_argument("--binary", type=lambda text: Path(text).resolve())
    parser.add_argument("--systems", default=",".join(SYSTEMS))
    parser.add_argument("--only", default="")
    parser.add_argument("--seconds", default="30,60")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=0)
    args = parser.parse_args()
    run(args) if args.verb == "run" else report(args)


if __name__ == "__main__":
    main()
