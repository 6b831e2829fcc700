"""The API server across its own end: watches, addresses and versions go on where they were."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from api_process import ApiProcess

from k8sshim.objects import Raw

pytestmark = pytest.mark.contract

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


def test_a_watch_goes_on_across_a_restart(api_server: ApiProcess) -> None:
    def create(name: str) -> Raw:
        made: Raw = api_server.ok("POST", CONFIG_MAPS, {"metadata": {"name": name}})
        return made

    def named(event: Raw) -> tuple[str, str]:
        return event["type"], event["object"]["metadata"]["name"]

    with api_server.watch(f"{CONFIG_MAPS}?watch=1") as events:
        create("a")
        first = next(events)
        assert named(first) == ("ADDED", "a")
        create("b")  # written, perhaps sent, but not read by us
        api_server.kill()
    api_server.start()
    api_server.ok("DELETE", f"{CONFIG_MAPS}/a")
    version = first["object"]["metadata"]["resourceVersion"]
    with api_server.watch(f"{CONFIG_MAPS}?watch=1&resourceVersion={version}") as events:
        assert [named(next(events)) for _ in range(2)] == [("ADDED", "b"), ("DELETED", "a")]
        create("c")
        assert named(next(events)) == ("ADDED", "c")


def test_addresses_and_versions_go_on_across_a_restart(api_server: ApiProcess) -> None:
    def service(name: str) -> Any:
        body = {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}]}}
        return api_server.ok("POST", "/api/v1/namespaces/default/services", body)

    before = service("a")
    api_server.restart()
    after = service("b")
    assert before["spec"]["clusterIP"] != after["spec"]["clusterIP"]
    assert int(after["metadata"]["resourceVersion"]) > int(before["metadata"]["resourceVersion"])


def test_sigterm_ends_watches_and_the_server_in_good_order(api_server: ApiProcess) -> None:
    with api_server.watch("/api/v1/namespaces?watch=1") as events:
        assert {next(events)["type"] for _ in range(4)} == {"ADDED"}
        assert api_server.stop() == 0
        assert list(events) == [], "the stream ends as streams should, and not in the middle"


def test_bootstrap_creates_what_is_absent_with_its_status(tmp_path: Path) -> None:
    cluster = {
        "apiVersion": "podwire.dev/v1alpha1",
        "kind": "Cluster",
        "metadata": {"name": "lab"},
        "spec": {"nodes": 1},
        "status": {"podMTU": 1450},
    }
    server = ApiProcess(tmp_path, bootstrap=[cluster])
    path = "/apis/podwire.dev/v1alpha1/clusters/lab"
    try:
        server.start()
        assert server.ok("GET", path)["status"] == {"podMTU": 1450}
        server.ok("PATCH", path, {"spec": {"nodes": 5}}, {"Content-Type": "application/merge-patch+json"})
        server.restart()
        assert server.ok("GET", path)["spec"] == {"nodes": 5}
    finally:
        server.close()
