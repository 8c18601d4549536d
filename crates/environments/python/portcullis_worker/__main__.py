"""``python -m portcullis_worker --socket PATH (--entry score.py [--app-root DIR] | --mlflow FOLDER) [--threads N]``."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from typing import List, Optional

from . import calls, lifeline, logs, pyfunc, script, serve, traces

#: Exit status of a worker whose script could not be imported or whose ``init()`` failed.
NOT_READY = 3


def arguments(argv: Optional[List[str]]) -> argparse.Namespace:
    """The command line; also from the names that the Azure server reads from the environment."""
    parser = argparse.ArgumentParser(prog="portcullis_worker", description=__doc__)
    parser.add_argument("--socket", required=True, help="path of the Unix socket to listen on")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--entry", default=os.environ.get("AZUREML_ENTRY_SCRIPT"), help="scoring script, in the code folder")
    what.add_argument("--mlflow", help="folder of an MLflow model")
    parser.add_argument("--app-root", default=os.environ.get("AML_APP_ROOT") or ".", help="code folder")
    parser.add_argument("--threads", type=int, default=1, help="calls of run() at a time")
    given = parser.parse_args(argv)
    if not given.mlflow and not given.entry:
        parser.error("one of --entry and --mlflow is needed")
    if given.threads < 1:
        parser.error("--threads must be at least 1")
    return given


def start(given: argparse.Namespace) -> calls.Model:
    """The model, imported and ready; whatever the user's code raises goes on."""
    model: calls.Model
    if given.mlflow:
        model = pyfunc.Pyfunc(given.mlflow)
    else:
        source = os.environ.get("AZUREML_SOURCE_DIRECTORY")
        root = os.path.join(given.app_root, source) if source else given.app_root
        model = script.load(given.entry, root)
    model.init()
    return model


def main(argv: Optional[List[str]] = None) -> int:
    """Starts, serves, and gives the exit status."""
    given = arguments(argv)
    lifeline.watch()
    listener = serve.listen(given.socket)
    logs.install()
    try:
        server = serve.Server(start(given), listener, given.threads)
    except (Exception, SystemExit) as error:
        known = isinstance(error, (script.ScriptError, pyfunc.ModelError))
        text = str(error) if known else traces.text(error)
        print(text, file=sys.stderr)
        serve.tell_failure(listener, text)
        return NOT_READY
    gc.collect()
    gc.freeze()
    server.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
