"""Lists in pages and of the past, their forms, and discovery in one answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from api_process import ApiProcess

pytestmark = pytest.mark.contract

PATH = "/api/v1/namespaces/default/configmaps"


@pytest.fixture
def five(shared_api_server: ApiProcess) -> Iterator[ApiProcess]:
    for number in range(5):
        shared_api_server.ok("POST", PATH, {"metadata": {"name": f"c{number}", "labels": {"n": str(number % 2)}}})
    yield shared_api_server
    shared_api_server.ok("DELETE", PATH)


def names(answer: Any) -> list[str]:
    return [item["metadata"]["name"] for item in answer["items"]]


def test_pages_show_the_list_as_it_was_at_first(five: ApiProcess) -> None:
    """https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks: "the
    server will continue to return consistent results"."""
    first = five.ok("GET", f"{PATH}?limit=2")
    assert names(first) == ["c0", "c1"]
    assert first["metadata"]["remainingItemCount"] == 3
    five.ok("DELETE", f"{PATH}/c2")
    five.ok("POST", PATH, {"metadata": {"name": "c30"}})
    token = first["metadata"]["continue"]
    rest = five.ok("GET", f"{PATH}?limit=10&continue={token}")
    assert names(rest) == ["c2", "c3", "c4"]
    assert rest["metadata"] == {"resourceVersion": first["metadata"]["resourceVersion"]}
    assert names(five.ok("GET", PATH)) == ["c0", "c1", "c3", "c30", "c4"]
    selected = five.ok("GET", f"{PATH}?limit=1&labelSelector=n%3D1")
    assert (names(selected), "remainingItemCount" in selected["metadata"]) == (["c1"], False)


def test_a_list_of_a_version_and_one_of_the_future(five: ApiProcess) -> None:
    before = five.ok("GET", PATH)["metadata"]["resourceVersion"]
    five.ok("DELETE", f"{PATH}/c0")
    exact = five.ok("GET", f"{PATH}?resourceVersion={before}&resourceVersionMatch=Exact")
    assert (names(exact)[0], exact["metadata"]["resourceVersion"]) == ("c0", before)
    for query in ("resourceVersion=999999", "watch=true&resourceVersion=999999"):
        code, status = five.request("GET", f"{PATH}?{query}")
        assert (code, status["reason"], status["details"]["causes"][0]["reason"]) == (
            504,
            "Timeout",
            "ResourceVersionTooLarge",
        )
    for query in ("continue=x", "limit=-1", "limit=many", "resourceVersionMatch=Exact", "resourceVersion=new"):
        assert five.request("GET", f"{PATH}?{query}")[0] == 400


def test_metadata_alone(five: ApiProcess) -> None:
    accept = {"Accept": "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"}
    listed = five.ok("GET", PATH, headers=accept)
    assert listed["kind"] == "PartialObjectMetadataList"
    assert [set(item) for item in listed["items"]] == [{"kind", "apiVersion", "metadata"}] * 5


def test_discovery_in_one_answer(five: ApiProcess) -> None:
    """kubectl and client-go ask `/api` and `/apis` for APIGroupDiscoveryList first (KEP-3352)."""
    accept = {"Accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"}
    groups = {item["metadata"]["name"]: item for item in five.ok("GET", "/apis", headers=accept)["items"]}
    [version] = groups["apps"]["versions"]
    deployments = next(each for each in version["resources"] if each["resource"] == "deployments")
    assert (deployments["scope"], deployments["shortNames"]) == ("Namespaced", ["deploy"])
    assert deployments["responseKind"] == {"group": "apps", "version": "v1", "kind": "Deployment"}
    assert {each["subresource"] for each in deployments["subresources"]} == {"status", "scale"}
    [core] = five.ok("GET", "/api", headers=accept)["items"]
    assert core["metadata"]["name"] == ""
    assert five.ok("GET", "/apis")["kind"] == "APIGroupList"
