"""What the agent knows of Services: the variables that tell containers of them, and who is behind one."""

from __future__ import annotations

from typing import Any

import pytest

from k8sshim.client import Added, Deleted, Modified, Synced
from k8sshim.objects import Key, Raw, Service
from topo.agent import servicelinks
from topo.agent.accounts import token_request
from topo.agent.catalogue import Catalogue
from topo.agent.podspec import parse

pytestmark = pytest.mark.unit


def service(name: str, *ports: dict[str, Any], namespace: str = "default", **spec: Any) -> Raw:
    given = {"clusterIP": "10.96.0.7", "ports": list(ports), **spec}
    return {"metadata": {"name": name, "namespace": namespace}, "spec": given}


REDIS = service("redis-master", {"port": 6379, "name": "db"}, {"port": 53, "protocol": "UDP", "name": "dns-udp"})
KUBERNETES = service("kubernetes", {"port": 443, "name": "https"}, clusterIP="10.96.0.1")
LINKS = {
    "REDIS_MASTER_SERVICE_HOST": "10.96.0.7",
    "REDIS_MASTER_SERVICE_PORT": "6379",
    "REDIS_MASTER_SERVICE_PORT_DB": "6379",
    "REDIS_MASTER_SERVICE_PORT_DNS_UDP": "53",
    "REDIS_MASTER_PORT": "tcp://10.96.0.7:6379",
    "REDIS_MASTER_PORT_6379_TCP": "tcp://10.96.0.7:6379",
    "REDIS_MASTER_PORT_6379_TCP_PROTO": "tcp",
    "REDIS_MASTER_PORT_6379_TCP_PORT": "6379",
    "REDIS_MASTER_PORT_6379_TCP_ADDR": "10.96.0.7",
    "REDIS_MASTER_PORT_53_UDP": "udp://10.96.0.7:53",
    "REDIS_MASTER_PORT_53_UDP_PROTO": "udp",
    "REDIS_MASTER_PORT_53_UDP_PORT": "53",
    "REDIS_MASTER_PORT_53_UDP_ADDR": "10.96.0.7",
}
API = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}


def variables(*services: Raw, api: Raw | None = None, links: bool = True) -> dict[str, str]:
    known = Service.parse(api) if api else None
    return servicelinks.variables([Service.parse(raw) for raw in services], known, "10.96.0.1", links=links)


def test_the_variables_of_a_service() -> None:
    assert variables(REDIS) == API | LINKS


def test_links_can_be_left_out_but_for_the_api() -> None:
    got = variables(REDIS, api=KUBERNETES, links=False)
    assert got["KUBERNETES_SERVICE_PORT_HTTPS"] == "443"
    assert got["KUBERNETES_PORT"] == "tcp://10.96.0.1:443"
    assert not any(name.startswith("REDIS") for name in got)


@pytest.mark.parametrize("spec", [{"clusterIP": "None"}, {"type": "ExternalName", "externalName": "a.b"}])
def test_services_without_an_address_are_left_out(spec: dict[str, Any]) -> None:
    assert variables(service("web", {"port": 80}, **spec)) == API


def test_a_catalogue_follows_its_informer() -> None:
    catalogue, told = Catalogue(), []
    catalogue.listen(lambda key, one: told.append((key.name, one is not None)))
    assert not catalogue.synced.is_set()
    selecting = service("web", {"port": 80}, selector={"app": "web"})
    for event in (Added(REDIS), Added(selecting), Synced(), Modified(selecting, selecting)):
        catalogue.handle(event)
    assert catalogue.synced.is_set()
    assert [one.key.name for one in catalogue.of("default")] == ["redis-master", "web"]
    assert catalogue.selects("default", (("app", "web"), ("pod", "1")))
    assert not catalogue.selects("default", (("pod", "1"),))
    assert not catalogue.selects("other", (("app", "web"),))
    catalogue.handle(Deleted(selecting))
    assert catalogue.get(Key("default", "web")) is None
    assert told == [("redis-master", True), ("web", True), ("web", False)]


def test_a_token_is_bound_to_its_pod() -> None:
    spec = parse({"metadata": {"name": "p", "namespace": "d", "uid": "u"}, "spec": {"serviceAccountName": "robot"}})
    request = token_request(spec)
    assert request["metadata"] == {"name": "robot", "namespace": "d"}
    bound = request["spec"]["boundObjectRef"]
    assert (bound["kind"], bound["name"], bound["uid"]) == ("Pod", "p", "u")
