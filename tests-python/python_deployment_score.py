"""The clients of Triton and KServe against a deployment that a script runs: JSON and binary tensors, and the V1 form.

Environment: URL, HOST (host:port), KEY, MODEL; the script takes the columns x, colour and flag and answers label and share.
"""

import asyncio
import importlib.util
import os
import types
import sys

# Importing the package as a whole brings the client of a cluster along: it is opened without its first file.
package = types.ModuleType("kserve")
package.__path__ = list(importlib.util.find_spec("kserve").submodule_search_locations)
sys.modules["kserve"] = package

import numpy as np  # noqa: E402
import tritonclient.http as http  # noqa: E402
from kserve.inference_client import InferenceRESTClient, RESTConfig  # noqa: E402
from kserve.protocol.infer_type import InferInput, InferRequest  # noqa: E402
from tritonclient.utils import InferenceServerException  # noqa: E402

url, host, key, model = (os.environ[name] for name in ("URL", "HOST", "KEY", "MODEL"))
headers = {"Authorization": f"Bearer {key}"}
columns = {
    "x": (np.array([[70.0], [1.0]], dtype=np.float32), "FP32"),
    "colour": (np.array([["red"], ["grün"]], dtype=object), "BYTES"),
    "flag": (np.array([[True], [False]]), "BOOL"),
}
expected = np.array([[0.3, 0.7], [1, 0]])


def filled(kind, binary):
    tensors = []
    for name, (values, datatype) in columns.items():
        tensor = kind(name, list(values.shape), datatype)
        tensor.set_data_from_numpy(values, binary_data=binary)
        tensors.append(tensor)
    return tensors


def triton():
    client = http.InferenceServerClient(host)
    assert client.is_server_ready() and client.is_model_ready(model, headers=headers)
    metadata = client.get_model_metadata(model, headers=headers)
    assert metadata["platform"] == "python_script", metadata
    assert [output["name"] for output in metadata["outputs"]] == ["label", "share"], metadata
    for binary in (True, False):
        asked = [http.InferRequestedOutput(name, binary_data=binary) for name in ("share", "label")]
        for outputs in (None, asked, asked[:1]):
            inputs = filled(http.InferInput, binary)
            result = client.infer(model, inputs, outputs=outputs, headers=dict(headers), request_id="abc")
            assert result.get_response()["id"] == "abc" and result.get_response()["model_name"] == model
            assert np.allclose(result.as_numpy("share"), expected), result.as_numpy("share")
            label = result.as_numpy("label")
            assert (label is None) == (outputs is not None and len(outputs) == 1)
            if label is not None:
                texts = [text.decode() if isinstance(text, bytes) else text for text in label]
                assert texts == ["red", "grün"], texts
    inputs = filled(http.InferInput, True)
    for packing in ("gzip", "deflate"):
        client.infer(model, inputs, headers=dict(headers), request_compression_algorithm=packing)
    try:
        client.infer(model, inputs, outputs=[http.InferRequestedOutput("other")], headers=dict(headers))
        sys.exit("gave an output that is not there")
    except InferenceServerException as error:
        assert error.status() == "400" and "no output 'other'" in error.message(), error


async def kserve():
    client = InferenceRESTClient(RESTConfig(protocol="v2"))
    assert await client.is_model_ready(url, model, headers=headers)
    for binary in (True, False):
        request = InferRequest(model_name=model, infer_inputs=filled(InferInput, binary), request_id="abc")
        answer = await client.infer(url, request, model_name=model, headers=dict(headers))
        assert answer.id == "abc" and answer.model_name == model
        outputs = {output.name: output.as_numpy() for output in answer.outputs}
        assert np.allclose(outputs["share"], expected), outputs
    old = InferenceRESTClient(RESTConfig(protocol="v1"))
    rows = {"instances": [{"x": 50, "colour": "red", "flag": True}]}
    predicted = await old.infer(url, rows, model_name=model, headers=headers)
    assert predicted == {"predictions": {"label": ["red"], "share": [[0.5, 0.5]]}}, predicted


triton()
asyncio.run(kserve())
print("scored")
