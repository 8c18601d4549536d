"""Makes the environments of the AutoML systems that are compared, each of its own, out of wheels from the package index.

``python environments.py FOLDER [NAME ...]`` makes ``FOLDER/NAME`` for ``base`` (tables, one scikit-learn model, ONNX Runtime),
``flaml`` and ``autogluon``. Needs the network and, for AutoGluon with its neural nets, some 3 GB.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

# Exact versions: a comparison is one of these, not of whatever is newest.
PACKAGES = {
    "base": ["scikit-learn==1.9.1", "pandas==3.1.1", "onnxruntime==1.31.1"],
    "flaml": ["flaml[automl]==2.7.0", "lightgbm", "xgboost", "catboost"],
    "autogluon": ["autogluon.tabular[lightgbm,catboost,xgboost,fastai]==1.6.3"],
}


def make(folder: Path, name: str) -> Path:
    """Makes one environment, if it is not there; its interpreter."""
    home = folder / name
    python = home / "bin" / "python"
    done = home / "made"
    wanted = "\n".join(PACKAGES[name])
    if done.exists() and done.read_text() == wanted:
        return python
    venv.create(home, with_pip=True, clear=True)
    install = [str(python), "-m", "pip", "install", "--quiet", "--only-binary", ":all:", *PACKAGES[name]]
    subprocess.run(install, check=True)
    done.write_text(wanted)
    return python


def main() -> None:
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    for name in sys.argv[2:] or PACKAGES:
        if name not in PACKAGES:
            sys.exit(f"{name}: there is {', '.join(PACKAGES)}")
        print(make(Path(sys.argv[1]), name), flush=True)


if __name__ == "__main__":
    main()
