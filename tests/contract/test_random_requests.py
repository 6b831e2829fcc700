"""Whatever is asked, the API server does not fail: requests by chance from the documents that it serves.

`PODWIRE_REQUEST_ROUNDS` says how many rounds of one request for each operation there are (a round is about 800
requests and takes a second or two), `PODWIRE_REQUEST_SEED` which requests: the same seed asks the same.
"""

from __future__ import annotations

import http.client
import os
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml
from api_process import ApiProcess
from random_requests import UNPUBLISHED, Asked, Chooser, Document

pytestmark = pytest.mark.contract
ROUNDS = int(os.environ.get("PODWIRE_REQUEST_ROUNDS") or 6)
SEED = int(os.environ.get("PODWIRE_REQUEST_SEED") or 1)
OBJECTS = {raw["kind"]: raw for raw in yaml.safe_load_all(Path(__file__).with_name("objects.yaml").read_text())}
EXPECTED = (  # what Kubernetes, too, has no other code for
    b"ResourceVersionTooLarge",  # 504: a version that has not been
    b"has no agent that serves streams",  # 500: of a log, where the node is made up
    b"This pod has more than one PodDisruptionBudget",  # 500
)


def documents(server: ApiProcess) -> list[Document]:
    """What the server serves now; custom resources come and go."""
    found = server.ok("GET", "/openapi/v3")["paths"]
    return [
        Document(server.ok("GET", each["serverRelativeURL"]), UNPUBLISHED if path == "api/v1" else ())
        for path, each in found.items()
    ]


def answered(server: ApiProcess, connection: http.client.HTTPSConnection, asked: Asked) -> tuple[int, bytes]:
    connection.request(asked.method, asked.path, asked.body, server.headers() | dict(asked.headers))
    response = connection.getresponse()
    return response.status, response.read()


def failed(code: int, data: bytes) -> bool:
    return code >= 500 and not any(each in data for each in EXPECTED)


def test_no_request_makes_the_server_fail(shared_api_server: ApiProcess) -> None:
    server, codes = shared_api_server, Counter[int]()
    server.ok("POST", "/api/v1/namespaces", {"metadata": {"name": "made"}})
    connection = server.connection()
    for number in range(ROUNDS):
        chooser = Chooser(Random(SEED + number))
        for document in documents(server):
            for asked in chooser.requests(document, OBJECTS, 1):
                code, data = answered(server, connection, asked)
                codes[code] += 1
                assert not failed(code, data), f"round {number}: {asked}: {data!r}\n{server.log.read_text()[-4000:]}"
    assert all(codes[code] > 0 for code in (200, 201, 400, 404, 409, 415, 422)), codes
    print(f"{codes.total()} requests: {dict(sorted(codes.items()))}")


def test_every_object_that_is_changed_is_one_that_the_server_takes(api_server: ApiProcess) -> None:
    """Otherwise the requests made from it would be refused at the door."""
    made: Counter[str] = Counter()
    for document in documents(api_server):
        for operation in document.operations:
            raw: Any = OBJECTS.get(operation.head["kind"])
            if operation.method != "POST" or operation.schema is None or not raw:
                continue
            if raw["apiVersion"] != operation.head["apiVersion"]:
                continue
            path = operation.path.replace("{namespace}", "default")
            api_server.ok("POST", f"{path}?fieldValidation=Strict", {"metadata": {"name": "a"}, **raw})
            made[raw["kind"]] += 1
    assert set(OBJECTS) - set(made) == {
        *("Scale", "Binding", "Eviction", "TokenRequest"),
        *("TokenReview", "SelfSubjectAccessReview", "SubjectAccessReview", "SelfSubjectRulesReview"),
    }
