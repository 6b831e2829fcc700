"""Informers against the real API server: one steady stream of differences, whatever happens in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from api_process import ApiProcess, wait_until
from relay import Relay

from k8sshim.client import (
    CONFIG_MAPS,
    NAMESPACES,
    Added,
    Client,
    Deleted,
    Event,
    Expired,
    Informer,
    Modified,
    Resource,
    Synced,
)
from k8sshim.objects import Key, Raw

pytestmark = pytest.mark.contract

Start = Callable[..., "Followed"]


class Followed:
    """An informer, and what it said: `+a` added, `~a` modified, `-a` deleted, `=` synced."""

    def __init__(self, client: Client, resource: Resource, **options: str) -> None:
        self.said: list[str] = []
        self.informer = Informer(client, resource, self.note, **options)

    def note(self, event: Event) -> None:
        sign = {Added: "+", Modified: "~", Deleted: "-", Synced: "="}[type(event)]
        self.said.append(sign if isinstance(event, Synced) else sign + Key.of(event.raw).name)

    def wait_for(self, *said: str) -> None:
        wait_until(lambda: len(self.said) >= len(said))
        assert self.said == list(said)


@pytest.fixture
def client(api_server: ApiProcess) -> Client:
    return Client(api_server.kubeconfig)


@pytest.fixture
def follow(client: Client) -> Iterator[Start]:
    """Starts an informer, of ConfigMaps in `default`."""
    started: list[Followed] = []

    def start(resource: Resource = CONFIG_MAPS, namespace: str = "default", **options: str) -> Followed:
        followed = Followed(client, resource, namespace=namespace, **options)
        started.append(followed)
        followed.informer.start()
        assert followed.informer.synced.wait(10)
        return followed

    yield start
    for followed in started:
        followed.informer.stop()
        assert followed.informer.join(10)


def put(client: Client, name: str, value: str = "") -> Raw:
    """Create or change a ConfigMap."""
    raw = {"metadata": {"name": name, "namespace": "default", "labels": {"v": value}}, "data": {"x": value}}
    there = client.get(CONFIG_MAPS, Key("default", name))
    return client.patch(CONFIG_MAPS, Key("default", name), raw) if there else client.create(CONFIG_MAPS, raw)


def drop(client: Client, name: str) -> None:
    client.delete(CONFIG_MAPS, Key("default", name))


def test_what_is_there_comes_before_synced_and_changes_after(client: Client, follow: Start) -> None:
    put(client, "a")
    put(client, "b")
    followed = follow()
    put(client, "a", "2")
    drop(client, "b")
    followed.wait_for("+a", "+b", "=", "~a", "-b")
    assert {key.name: raw["data"]["x"] for key, raw in followed.informer.cache.items()} == {"a": "2"}


def test_kill_of_the_server_is_not_heard(client: Client, api_server: ApiProcess, follow: Start) -> None:
    put(client, "a")
    followed = follow()
    for turn in range(3):
        api_server.restart()
        put(client, "a", str(turn))
    followed.wait_for("+a", "=", "~a", "~a", "~a")


@pytest.fixture
def relay(api_server: ApiProcess) -> Iterator[Relay]:
    relay = Relay(api_server.port)
    yield relay
    relay.cut()


@pytest.fixture
def parted(client: Client, api_server: ApiProcess, relay: Relay, tmp_path: Path) -> Iterator[Followed]:
    """An informer that has seen four objects, and is then parted from the server while three of them change."""
    for name in ("same", "changed", "gone", "anew"):
        put(client, name)
    kubeconfig = tmp_path / "by-relay"
    kubeconfig.write_text(api_server.kubeconfig.read_text().replace(str(api_server.port), str(relay.port)))
    followed = Followed(Client(kubeconfig), CONFIG_MAPS, namespace="default", label_selector="v!=big")
    followed.informer.start()
    followed.wait_for("+anew", "+changed", "+gone", "+same", "=")
    followed.said.clear()
    relay.cut()
    put(client, "changed", "2")
    drop(client, "gone")
    drop(client, "anew")
    put(client, "anew")
    yield followed
    followed.informer.stop()
    assert followed.informer.join(10)


def test_gap_is_made_up_for(parted: Followed, client: Client, relay: Relay) -> None:
    relay.heal()
    parted.wait_for("~changed", "-gone", "-anew", "+anew")
    put(client, "last")
    parted.wait_for("~changed", "-gone", "-anew", "+anew", "+last")


def test_gap_that_the_server_has_forgotten_is_compared(parted: Followed, client: Client, relay: Relay) -> None:
    version = client.list(CONFIG_MAPS)[1]
    put(client, "big", "big")
    for turn in range(40):  # the server's history holds 16 MiB
        client.patch(CONFIG_MAPS, Key("default", "big"), {"data": {"x": str(turn % 10) * 900_000}})
    with pytest.raises(Expired):
        next(iter(client.watch(CONFIG_MAPS, version)))
    relay.heal()
    parted.wait_for("-gone", "-anew", "+anew", "~changed")
    put(client, "last")
    parted.wait_for("-gone", "-anew", "+anew", "~changed", "+last")


def test_a_server_that_has_gone_back_in_time_is_listed_again(
    client: Client, api_server: ApiProcess, follow: Start
) -> None:
    """A store that was put back from a copy: what the informer saw last is a version of its future."""
    put(client, "a")
    api_server.stop()
    files = {path: path.read_bytes() for path in api_server.folder.glob("store.sqlite*")}
    api_server.start()
    followed = follow()
    put(client, "a", "2")
    put(client, "b")
    followed.wait_for("+a", "=", "~a", "+b")
    api_server.kill()
    for path in api_server.folder.glob("store.sqlite*"):
        path.unlink()
    for path, content in files.items():
        path.write_bytes(content)
    api_server.start()
    followed.wait_for("+a", "=", "~a", "+b", "-b", "~a")


def test_selected_objects_come_and_go(client: Client, follow: Start) -> None:
    followed = follow(label_selector="v=in")
    put(client, "a", "out")
    put(client, "a", "in")
    put(client, "a", "out")
    put(client, "b", "in")
    followed.wait_for("=", "+a", "-a", "+b")


def test_one_object_by_field(client: Client, follow: Start) -> None:
    put(client, "a")
    followed = follow(field_selector="metadata.name=b")
    put(client, "b")
    followed.wait_for("=", "+b")


def test_cluster_scoped_objects(follow: Start) -> None:
    followed = follow(NAMESPACES, "")
    assert {"+default", "+kube-system"} <= set(followed.said)


def test_handler_that_fails_once_goes_on(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    seen: list[str] = []

    def stumble(event: Event) -> None:
        if isinstance(event, Added) and Key.of(event.raw).name == "a":
            raise ValueError("stumbled")
        seen.append(type(event).__name__)

    put(client, "a")
    put(client, "b")
    informer = Informer(client, CONFIG_MAPS, stumble, namespace="default")
    informer.start()
    assert informer.synced.wait(10)
    informer.stop()
    assert informer.join(10)
    assert seen == ["Added", "Synced"] and "stumbled" in caplog.text


def test_kind_that_the_server_does_not_serve_has_no_objects(follow: Start) -> None:
    followed = follow(Resource("example.com/v1", "Gadget", "gadgets", False), "")
    assert followed.said == ["="]


def test_server_that_comes_later(client: Client, api_server: ApiProcess) -> None:
    put(client, "a")
    api_server.kill()
    followed = Followed(client, CONFIG_MAPS, namespace="default")
    followed.informer.start()
    assert not followed.informer.synced.wait(0.1)
    api_server.start()
    followed.wait_for("+a", "=")
    followed.informer.stop()
    assert followed.informer.join(10)
