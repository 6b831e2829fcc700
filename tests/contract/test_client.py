"""The client against the real API server: requests, their errors, watches, and restarts in between."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from api_process import ROOT, ApiProcess

from k8sshim.client import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    NAMESPACES,
    NODES,
    PODS,
    Absent,
    Client,
    Expired,
    Unreachable,
)
from k8sshim.errors import BadInput, Conflict, PodwireError
from k8sshim.objects import Key, Raw

pytestmark = pytest.mark.contract


@pytest.fixture
def client(api_server: ApiProcess) -> Client:
    client = Client(api_server.kubeconfig)
    client.wait_until_ready(10)
    return client


def config_map(name: str, **data: str) -> Raw:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}, "data": data}


A = Key("default", "a")


def test_object_from_creation_to_deletion(client: Client) -> None:
    assert client.get(CONFIG_MAPS, A) is None
    made = client.create(CONFIG_MAPS, config_map("a", x="1"))
    assert made["metadata"]["uid"] and client.get(CONFIG_MAPS, A) == made
    updated = client.update(CONFIG_MAPS, {**made, "data": {"x": "2"}})
    assert updated["data"] == {"x": "2"}
    patched = client.patch(CONFIG_MAPS, A, {"data": {"x": None, "y": "3"}})
    assert patched["data"] == {"y": "3"}
    replaced = client.patch(CONFIG_MAPS, A, [{"op": "replace", "path": "/data/y", "value": "4"}], strategy="json")
    assert replaced["data"] == {"y": "4"}
    assert client.delete(CONFIG_MAPS, A) is not None
    assert client.get(CONFIG_MAPS, A) is None
    assert client.delete(CONFIG_MAPS, A) is None


def test_what_it_changes_of_an_applied_object_is_podwires(client: Client, api_server: ApiProcess) -> None:
    argv = ["kubectl", f"--kubeconfig={api_server.kubeconfig}", "apply", "--server-side", "-f", "-"]
    subprocess.run(argv, input=json.dumps(config_map("a", x="1")), text=True, check=True, capture_output=True)
    client.patch(CONFIG_MAPS, A, {"data": {"y": "2"}})
    applied = client.get(CONFIG_MAPS, A)
    assert applied is not None
    assert [one["manager"] for one in applied["metadata"]["managedFields"]] == ["kubectl", "podwire"]


def test_status_is_written_alone(client: Client) -> None:
    node = client.create(NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}})
    node["status"] = {"addresses": [{"type": "InternalIP", "address": "192.168.0.2"}]}
    node["spec"] = {"podCIDR": "10.1.0.0/24"}
    after = client.update_status(NODES, node)
    assert after["status"]["addresses"] and "podCIDR" not in after.get("spec", {})
    condition = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    after = client.patch(NODES, Key("", "n1"), condition, subresource="status", strategy="strategic")
    assert after["status"]["addresses"] and after["status"]["conditions"][0]["type"] == "Ready"


def test_list_of_one_namespace_by_labels_and_fields(client: Client) -> None:
    for name, tier in (("a", "web"), ("b", "db")):
        client.create(
            CONFIG_MAPS, config_map(name) | {"metadata": {"name": name, "namespace": "default", "labels": {"t": tier}}}
        )
    items, version = client.list(CONFIG_MAPS, "default", "t in (web,cache)")
    assert [Key.of(item) for item in items] == [A] and int(version) > 0
    assert (items[0]["apiVersion"], items[0]["kind"]) == ("v1", "ConfigMap")
    assert [Key.of(item).name for item in client.list(CONFIG_MAPS, fields="metadata.name=b")[0]] == ["b"]
    assert "default" in [Key.of(item).name for item in client.list(NAMESPACES)[0]]


def test_long_lists_come_whole(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("k8sshim.client.connection._PAGE", 2)
    for number in range(5):
        client.create(CONFIG_MAPS, config_map(f"m{number}"))
    assert [Key.of(item).name for item in client.list(CONFIG_MAPS, "default")[0]] == [f"m{n}" for n in range(5)]


def test_writers_who_disagree(client: Client) -> None:
    made = client.create(CONFIG_MAPS, config_map("a"))
    with pytest.raises(Conflict, match="already exists"):
        client.create(CONFIG_MAPS, config_map("a"))
    client.update(CONFIG_MAPS, {**made, "data": {"x": "1"}})
    with pytest.raises(Conflict, match="modified"):
        client.update(CONFIG_MAPS, {**made, "data": {"x": "2"}})


def test_refusals_say_what_the_server_says(client: Client) -> None:
    with pytest.raises(BadInput, match=r"spec\.selector"):
        client.create(DEPLOYMENTS, {"metadata": {"name": "a", "namespace": "default"}, "spec": {"template": {}}})
    with pytest.raises(Absent, match='"a" not found'):
        client.patch(CONFIG_MAPS, A, {"data": {}})
    with pytest.raises(Absent):
        client.update(CONFIG_MAPS, config_map("a"))


def test_names_do_not_leave_their_place_in_the_path(client: Client) -> None:
    assert client.get(CONFIG_MAPS, Key("default", "../../namespaces/default")) is None
    assert client.get(CONFIG_MAPS, Key("default", "a?b#c%2F")) is None


def test_wrong_credentials(api_server: ApiProcess, tmp_path: Path) -> None:
    text = api_server.kubeconfig.read_text()
    token = (api_server.pki / "token").read_text().strip()
    lines = [line for line in text.replace(token, "wrong").splitlines() if "client-" not in line]
    (tmp_path / "other").write_text("\n".join(lines))
    with pytest.raises(PodwireError, match="Unauthorized"):
        Client(tmp_path / "other").list(PODS)


@pytest.mark.parametrize("text", ["", "[]", "a: [", "clusters: []\ncontexts: []\ncurrent-context: x\n", "\x00"])
def test_kubeconfig_that_is_none(text: str, tmp_path: Path) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(text)
    with pytest.raises(BadInput, match=f"^{file}: cannot be used as a kubeconfig"):
        Client(file)


def test_kubeconfig_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="nowhere"):
        Client(tmp_path / "nowhere")


def test_watch_tells_changes_in_order(client: Client) -> None:
    _, version = client.list(CONFIG_MAPS)
    client.create(CONFIG_MAPS, config_map("a", x="1"))
    client.patch(CONFIG_MAPS, A, {"data": {"x": "2"}})
    client.delete(CONFIG_MAPS, A)
    with client.watch(CONFIG_MAPS, version) as watch:
        events = iter(watch)
        seen = [next(events) for _ in range(3)]
    assert [(kind, raw["data"]["x"]) for kind, raw in seen] == [("ADDED", "1"), ("MODIFIED", "2"), ("DELETED", "2")]


def test_watch_is_closed_from_another_thread(client: Client) -> None:
    watch = client.watch(CONFIG_MAPS, client.list(CONFIG_MAPS)[1])
    seen: list[str] = []
    started, ended = threading.Event(), threading.Event()

    def follow() -> None:
        for kind, _ in watch:
            seen.append(kind)
            started.set()
        ended.set()

    threading.Thread(target=follow, daemon=True).start()
    client.create(CONFIG_MAPS, config_map("a"))
    assert started.wait(10)
    watch.close()
    assert ended.wait(10) and seen == ["ADDED"]


def test_watch_ends_with_an_error_when_the_server_dies(client: Client, api_server: ApiProcess) -> None:
    events = iter(client.watch(CONFIG_MAPS, client.list(CONFIG_MAPS)[1]))
    client.create(CONFIG_MAPS, config_map("a"))
    assert next(events)[0] == "ADDED"
    api_server.kill()
    with pytest.raises(Unreachable):
        next(events)


def test_watch_from_what_is_forgotten(client: Client) -> None:
    _, version = client.list(CONFIG_MAPS)
    forget(client, version)
    with pytest.raises(Expired):
        next(iter(client.watch(CONFIG_MAPS, version)))


def forget(client: Client, version: str) -> None:
    """Write until the server's history no longer reaches back to that version."""
    client.create(CONFIG_MAPS, config_map("big"))
    for turn in range(100):
        client.patch(CONFIG_MAPS, Key("default", "big"), {"data": {"x": str(turn) * 500_000}})
        try:
            next(iter(client.watch(CONFIG_MAPS, version)))
        except Expired:
            return
    raise AssertionError("the server remembers everything")


def test_requests_go_on_after_a_restart(client: Client, api_server: ApiProcess) -> None:
    client.create(CONFIG_MAPS, config_map("a", x="1"))
    api_server.restart()
    assert client.get(CONFIG_MAPS, A)["data"] == {"x": "1"}


def test_server_that_does_not_run(client: Client, api_server: ApiProcess) -> None:
    api_server.close()
    with pytest.raises(Unreachable, match=f"^the API server at {api_server.url} does not answer"):
        client.list(PODS)
    with pytest.raises(Unreachable):
        client.wait_until_ready(0.1)


def test_server_that_is_not_ready_in_time(api_server: ApiProcess) -> None:
    api_server.kill()  # its socket stays open, and takes connections that nobody serves
    with pytest.raises(Unreachable):
        Client(api_server.kubeconfig).wait_until_ready(0.2)


UNDER_EVENTLET = """
import eventlet
eventlet.monkey_patch()
import sys, threading
from pathlib import Path
from k8sshim.client import CONFIG_MAPS, Client, Informer, Added, Synced
client = Client(Path(sys.argv[1]))
client.wait_until_ready(10)
events = []
informer = Informer(client, CONFIG_MAPS, lambda event: events.append(event), spawn=lambda run: eventlet.spawn(run))
informer.start()
assert informer.synced.wait(10)
def create(number):
    client.create(CONFIG_MAPS, {"metadata": {"name": f"m{number}", "namespace": "default"}})
for thread in [eventlet.spawn(create, number) for number in range(5)]:
    thread.wait()
with eventlet.Timeout(10):
    while sum(isinstance(event, Added) for event in events) < 5:
        eventlet.sleep(0.01)
informer.stop()
assert informer.join(10)
print("done")
"""


def test_under_eventlet(api_server: ApiProcess) -> None:
    argv = [sys.executable, "-W", "ignore", "-c", UNDER_EVENTLET, str(api_server.kubeconfig)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "done\n", done.stderr
