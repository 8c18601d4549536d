"""Model data collection: rows of inputs and predictions as CSV files, one a day, bound together by correlation ids.

It is on when ``AML_MODEL_DC_STORAGE_ENABLED`` says so; else every call does nothing. Files are written below
``PORTCULLIS_MODELDATA_DIR``, or the working folder, at
``modeldata/{subscription}/{resource group}/{workspace}/{service}/{model}/{version}/{designation}/{year}/{month}/{day}/``.
"""

from __future__ import annotations

import csv
import datetime
import io
import os
import sys
import threading
import uuid
from typing import Any, Dict, List, Optional, Sequence

#: Columns that are added to every row, in order.
CORRELATIONS = (
    "$aml_dc_correlation_id",
    "$aml_dc_scoring_timestamp",
    "$aml_dc_boundary",
    "$aml_workspace",
    "$aml_service_name",
    "$aml_model_name",
    "$aml_model_version",
    "$aml_request_id",
)
DESIGNATIONS = ("inputs", "predictions", "labels", "signals", "general")

_lock = threading.Lock()


class _Room:
    """What rows may still take: the files of the service are counted at first and then from time to time."""

    #: Bytes of rows after which the files are counted anew: other workers write too.
    STEP = 1 << 20

    def __init__(self) -> None:
        self.taken = 0
        self._counted = -1
        self._files = 0

    def left(self) -> bool:
        most = int(os.environ.get("PORTCULLIS_MODELDATA_MAX_BYTES") or 0)
        if most <= 0:
            return True
        if self._counted < 0 or self.taken - self._counted >= min(self.STEP, most // 16):
            self._files = sum(
                os.path.getsize(os.path.join(folder, name)) for folder, _, names in os.walk(_root()) for name in names
            )
            self._counted = self.taken
        return self._files + self.taken - self._counted < most


def _root() -> str:
    return os.path.join(os.environ.get("PORTCULLIS_MODELDATA_DIR") or ".", "modeldata")


_room = _Room()


class ModelDataCollector:
    """Keeps rows under one designation of one model."""

    def __init__(
        self,
        model_name: str,
        designation: str = "default",
        feature_names: Optional[Sequence[str]] = None,
        model_version: Any = None,
        workspace: str = "",
        webservice_name: str = "",
        identifier: Optional[str] = None,
        sample_rate: Any = None,
        **kwargs: Any,
    ):
        if not model_name:
            raise ValueError("ModelDataCollector needs a model_name")
        self._model = model_name
        self._designation = designation
        self._features = list(feature_names or [])
        self._version = str(model_version or os.environ.get("AZUREML_MODEL_VERSION") or 1)
        self._workspace = workspace or os.environ.get("WORKSPACE_NAME") or "default"
        self._service = webservice_name or os.environ.get("SERVICE_NAME") or "default"
        self._minutes = 60 if os.environ.get("AML_MODEL_DC_BOUNDARY", "").lower() == "hour" else 1440
        self._told = False
        self.enabled = os.environ.get("AML_MODEL_DC_STORAGE_ENABLED", "").strip().lower() in ("true", "1")
        if not self.enabled:
            print("Data collection is off for %s of model %s; calls of its collector do nothing." % (designation, model_name))
        elif designation not in DESIGNATIONS:
            print("Designation %r is none of %s." % (designation, ", ".join(DESIGNATIONS)))

    def collect(self, input_data: Any, user_correlation_id: str = "") -> Optional[Dict[str, str]]:
        """Keeps rows: a list, a list of lists, an array or a data frame; rows may bring their correlations at the end.

        Gives the correlations of these rows, ``None`` when collection is off. Raises ``ValueError`` for data whose
        columns are not those of ``feature_names``.
        """
        if not self.enabled:
            return None
        rows = _rows(input_data, self._features)
        fresh = self._correlations(user_correlation_id)
        features = self._features or ["c%d" % i for i in range(_width(rows))]
        wide = len(features) + len(CORRELATIONS)
        lines = [row if len(row) == wide else [*row, *fresh.values()] for row in rows]
        for line in lines:
            if len(line) != wide:
                raise ValueError(
                    "a row has %d values, the %s of model %s have %d features: %s"
                    % (len(line) - len(CORRELATIONS), self._designation, self._model, len(features), ", ".join(features))
                )
        self._keep([*features, *CORRELATIONS], lines)
        first = lines[0][-len(CORRELATIONS) :] if lines else list(fresh.values())
        return dict(zip(CORRELATIONS, (str(value) for value in first)))

    def add_correlations(self, input_data: Any, correlations: Optional[Dict[str, str]]) -> Any:
        """The data with the correlations as further columns; without correlations the data itself."""
        if not self.enabled or not correlations:
            return input_data
        values = list(correlations.values())
        if hasattr(input_data, "columns") and hasattr(input_data, "assign"):
            return input_data.assign(**correlations)
        if hasattr(input_data, "tolist"):
            import numpy

            array = numpy.asarray(input_data, dtype=object)
            added = numpy.array(values, dtype=object)
            if array.ndim == 1:
                return numpy.concatenate([array, added])
            return numpy.hstack([array, numpy.tile(added, (len(array), 1))])
        data = list(input_data)
        if data and isinstance(data[0], (list, tuple)):
            return [[*row, *values] for row in data]
        return [*data, *values]

    def _correlations(self, correlation_id: str) -> Dict[str, str]:
        now = datetime.datetime.now(datetime.timezone.utc)
        values = (
            correlation_id or str(uuid.uuid4()),
            now.isoformat(),
            str(self._minutes),
            self._workspace,
            self._service,
            self._model,
            self._version,
            _request_id(),
        )
        return dict(zip(CORRELATIONS, values))

    def path(self) -> str:
        """The file of today."""
        now = datetime.datetime.now(datetime.timezone.utc)
        parts = (
            os.environ.get("AZUREML_ARM_SUBSCRIPTION") or "default",
            os.environ.get("AZUREML_ARM_RESOURCEGROUP") or "default",
            self._workspace,
            self._service,
            self._model,
            self._version,
            self._designation,
            "%04d" % now.year,
            "%02d" % now.month,
            "%02d" % now.day,
        )
        root = os.environ.get("PORTCULLIS_MODELDATA_DIR") or "."
        clean = [part.replace("/", "_").replace("..", "_") for part in parts]
        return os.path.join(root, "modeldata", *clean, self._designation.replace("/", "_") + ".csv")

    def _keep(self, header: List[str], lines: List[List[Any]]) -> None:
        """Writes the rows; a file that cannot be written is told once and never fails a call."""
        try:
            self._append(header, lines)
        except OSError as error:
            if not self._told:
                self._told = True
                print("rows of %s of model %s are not kept: %s" % (self._designation, self._model, error), file=sys.stderr)

    def _append(self, header: List[str], lines: List[List[Any]]) -> None:
        """Whole lines in one write, so that workers of one service may share the file."""
        path = self.path()
        if not _room.left():
            raise OSError("the rows kept so far take all of endpoint.collector.max_bytes")
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        with _lock:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                if os.fstat(file).st_size == 0:
                    writer.writerow(header)
                writer.writerows(lines)
                _room.taken += os.write(file, text.getvalue().encode("utf-8"))
            finally:
                os.close(file)


def _rows(data: Any, features: List[str]) -> List[List[Any]]:
    if hasattr(data, "columns") and hasattr(data, "itertuples"):
        return [list(row) for row in data.itertuples(index=False, name=None)]
    values = data.tolist() if hasattr(data, "tolist") else list(data)
    if not values:
        return []
    if isinstance(values[0], dict):
        return [[row.get(name) for name in features or row] for row in values]
    if isinstance(values[0], (list, tuple)):
        return [list(row) for row in values]
    return [values]


def _width(rows: List[List[Any]]) -> int:
    return len(rows[0]) if rows else 0


def _request_id() -> str:
    logs = sys.modules.get("portcullis_worker.logs")
    return str(logs.current_request()) if logs is not None else ""
