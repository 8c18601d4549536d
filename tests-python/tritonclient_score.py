"""The HTTP client of Triton against an endpoint: metadata, readiness, scoring as JSON and as binary tensors.

Environment: HOST (host:port), KEY, MODEL; the model has the columns x.one (number), "colour name" (text) and flag (truth).
"""

import os
import sys

import numpy as np
import tritonclient.http as http
from tritonclient.utils import InferenceServerException

host, key, model = os.environ["HOST"], os.environ["KEY"], os.environ["MODEL"]
headers = {"Authorization": f"Bearer {key}"}
client = http.InferenceServerClient(host)
assert client.is_server_live() and client.is_server_ready()
assert client.is_model_ready(model, headers=headers)
metadata = client.get_model_metadata(model, headers=headers)
assert metadata["platform"] == "onnx_onnxv1" and metadata["versions"] == ["1"], metadata
assert "binary_tensor_data" in client.get_server_metadata(headers=headers)["extensions"]
assert [m["name"] for m in client.get_model_repository_index(headers=headers)] == [model]

rows = 3
columns = {
    "x.one": (np.array([[70.5], [1.0], [99.0]], dtype=np.float32), "FP32"),
    "colour name": (np.array([["red"], ["green"], ["blue"]], dtype=object), "BYTES"),
    "flag": (np.array([[True], [False], [True]]), "BOOL"),
}


def score(binary, outputs=None, **more):
    inputs = []
    for name, (values, datatype) in columns.items():
        tensor = http.InferInput(name, list(values.shape), datatype)
        tensor.set_data_from_numpy(values, binary_data=binary)
        inputs.append(tensor)
    # The client writes into the headers it is given.
    return client.infer(model, inputs, outputs=outputs, headers=dict(headers), **more)


answers = []
for binary in (True, False):
    asked = [http.InferRequestedOutput(n, binary_data=binary) for n in ("label", "probabilities")]
    for outputs in (None, asked, asked[1:]):
        result = score(binary, outputs, request_id="abc", model_version="1")
        assert result.get_response()["id"] == "abc"
        assert (result.as_numpy("label") is None) == (outputs is not None and len(outputs) == 1)
        answers.append(result.as_numpy("probabilities"))
        assert answers[-1].shape == (rows, 2) and np.allclose(answers[-1].sum(axis=1), 1, atol=1e-5)
assert all(np.array_equal(answers[0], other) for other in answers[1:]), answers
for packing in ("gzip", "deflate"):
    score(True, request_compression_algorithm=packing)
labels = [v.decode() if isinstance(v, bytes) else v for v in score(True).as_numpy("label")]
assert set(labels) <= {"yes", "no"}, labels
stats = client.get_inference_statistics(model, headers=headers)["model_stats"][0]
assert stats["inference_count"] >= 27 and stats["inference_stats"]["fail"]["count"] == 0, stats

for wrong, part in (({"x.one": columns["x.one"]}, "required"), ({**columns, "x": columns["flag"]}, "unexpected")):
    columns = wrong
    try:
        score(True)
        sys.exit("scored what does not fit")
    except InferenceServerException as error:
        assert error.status() == "400" and part in error.message(), error
try:
    client.get_model_metadata(model, headers={"Authorization": "Bearer wrong"})
    sys.exit("a wrong key passed")
except InferenceServerException as error:
    assert error.status() == "401" and "key" in error.message(), error
print("scored", labels)
