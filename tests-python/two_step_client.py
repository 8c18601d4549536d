"""A client of a published API, in two steps: a token by client credentials, then one scoring call with it.

Written from the contracts alone (token service v1: three form members, no `resource`, no `scope`; gateway: the scheme
in lower case). Everything that differs between installations is an environment variable:

    TOKEN_URL      https://HOST/TENANT/oauth2/token
    CLIENT_ID, CLIENT_SECRET
    SCORING_URL    https://HOST/API-PATH/score

Prints the answer as JSON; ends with 1 and the server's text when a step is refused.
"""

import json
import os
import sys

import requests

TIMEOUT_SECONDS = 30
ROW = {
    "Age": 20,
    "Sex": "male",
    "Job": 0,
    "Housing": "own",
    "Saving accounts": "little",
    "Checking account": "little",
    "Credit amount": 100,
    "Duration": 48,
    "Purpose": "radio/TV",
}


def accepted(step, response):
    """The response, or the end of the program."""
    if response.status_code != 200:
        sys.exit(f"{step}: {response.status_code} {response.text}")
    return response


def token(url, client_id, client_secret):
    """A token of the client-credentials grant; only `access_token` is read from the answer."""
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": client_secret}
    response = requests.post(url, data=form, timeout=TIMEOUT_SECONDS)
    return accepted("token", response).json()["access_token"]


def score(url, bearer, row):
    """The gateway's answer for one row."""
    headers = {"Content-Type": "application/json", "Authorization": "bearer " + bearer}
    response = requests.post(url, data=json.dumps({"data": [row]}), headers=headers, timeout=TIMEOUT_SECONDS)
    return accepted("score", response).json()


def main():
    given = os.environ
    bearer = token(given["TOKEN_URL"], given["CLIENT_ID"], given["CLIENT_SECRET"])
    answer = score(given["SCORING_URL"], bearer, ROW)
    # The answer's text is JSON once more: a script's JSON text, encoded by the server that carries it.
    print(json.dumps(json.loads(answer) if isinstance(answer, str) else answer))


if __name__ == "__main__":
    main()
