"""The REST client of KServe against an endpoint: v2 as JSON and as binary tensors, and the V1 form.

Environment: URL, KEY, MODEL; the columns are those of tritonclient_score.py. Importing the package as a whole brings the client
of a cluster and a server along; only its inference client is wanted, so the package is opened without its first file.
"""

import asyncio
import importlib.util
import os
import sys
import types

package = types.ModuleType("kserve")
package.__path__ = list(importlib.util.find_spec("kserve").submodule_search_locations)
sys.modules["kserve"] = package

import httpx  # noqa: E402
import numpy as np  # noqa: E402
from kserve.inference_client import InferenceRESTClient, RESTConfig  # noqa: E402
from kserve.protocol.infer_type import InferInput, InferRequest  # noqa: E402

url, key, model = os.environ["URL"], os.environ["KEY"], os.environ["MODEL"]
headers = {"Authorization": f"Bearer {key}"}
columns = {
    "x.one": (np.array([[70.5], [1.0]], dtype=np.float32), "FP32"),
    "colour name": (np.array([["red"], ["green"]], dtype=object), "BYTES"),
    "flag": (np.array([[True], [False]]), "BOOL"),
}


def request(binary):
    inputs = []
    for name, (values, datatype) in columns.items():
        tensor = InferInput(name=name, shape=list(values.shape), datatype=datatype)
        tensor.set_data_from_numpy(values, binary_data=binary)
        inputs.append(tensor)
    return InferRequest(model_name=model, infer_inputs=inputs, request_id="abc")


async def main():
    client = InferenceRESTClient(RESTConfig(protocol="v2"))
    assert await client.is_server_live(url) and await client.is_server_ready(url)
    assert await client.is_model_ready(url, model, headers=headers)
    answers = []
    for binary in (True, False):
        # The client writes into the headers it is given.
        answer = await client.infer(url, request(binary), model_name=model, headers=dict(headers))
        assert answer.id == "abc" and answer.model_name == model
        outputs = {output.name: output.as_numpy() for output in answer.outputs}
        assert outputs["probabilities"].shape == (2, 2), outputs
        answers.append(outputs["probabilities"])
    assert np.array_equal(*answers), answers
    old = InferenceRESTClient(RESTConfig(protocol="v1"))
    rows = [{"x.one": 70.5, "colour name": "red", "flag": True}]
    predicted = await old.infer(url, {"instances": rows}, model_name=model, headers=headers)
    assert predicted["predictions"][0] in ("yes", "no"), predicted
    try:
        await client.infer(url, request(False), model_name=model, headers={"Authorization": "Bearer x"})
        sys.exit("a wrong key passed")
    except httpx.HTTPStatusError as error:
        assert error.response.status_code == 401, error
    print("scored", predicted)


asyncio.run(main())
