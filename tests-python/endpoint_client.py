"""A client of the direct door: posts a request file with the endpoint's key, checks the doubly encoded answer.

Environment variables:

    SCORING_URL    https://HOST/endpoints/NAME/score
    KEY            primary or secondary key of the endpoint
    REQUEST_FILE   a file holding {"data": [ {...}, ... ]}, sent as it is

The answer must be `"{\\"result\\": [...]}"`: a JSON text that holds JSON text, one label a row, in row order, and of
the same length at every call (load testers count a differing length as a failure). With one `yes` and one `no` that
is 33 bytes. Prints the raw answer; ends with 1 and the reason otherwise.
"""

import json
import os
import sys

import requests

TIMEOUT_SECONDS = 30
CALLS = 10
LABELS = ("yes", "no")


def post(url, key, body):
    """Status and bytes of one call."""
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    response = requests.post(url, data=body, headers=headers, timeout=TIMEOUT_SECONDS)
    if response.status_code != 200:
        sys.exit(f"{response.status_code} {response.text}")
    return response


def check(response, rows):
    """Ends the program unless the answer has the promised form; gives the labels."""
    outer = response.json()
    if not isinstance(outer, str):
        sys.exit(f"singly encoded: {response.text}")
    labels = json.loads(outer)["result"]
    if len(labels) != rows or any(label not in LABELS for label in labels):
        sys.exit(f"{rows} labels out of {LABELS} expected: {labels}")
    expected = json.dumps(json.dumps({"result": labels})).encode()
    if response.content != expected:
        sys.exit(f"{len(response.content)} bytes {response.content!r}, expected {len(expected)} bytes {expected!r}")
    return labels


def main():
    given = os.environ
    with open(given["REQUEST_FILE"], encoding="utf-8") as file:
        body = file.read()
    rows = len(json.loads(body)["data"])
    answers = [post(given["SCORING_URL"], given["KEY"], body) for _ in range(CALLS)]
    for answer in answers:
        check(answer, rows)
    if len({answer.content for answer in answers}) != 1:
        sys.exit("the same request was answered differently")
    print(answers[0].text)


if __name__ == "__main__":
    main()
