"""Endpoints written by hand become EndpointSlices, and go as they go."""

from __future__ import annotations

import pytest
from fake_api import Cluster

from k8sshim import mirroring
from k8sshim.client import ENDPOINT_SLICES, ENDPOINTS, SERVICES
from k8sshim.objects import EndpointSlice, Key, Raw

pytestmark = pytest.mark.unit
WEB = Key("default", "web")
SERVICE: Raw = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {"clusterIP": "10.96.0.9", "ports": [{"port": 80}]},
}


def by_hand(*addresses: str, waiting: tuple[str, ...] = (), port: int = 80, **metadata: object) -> Raw:
    subset: Raw = {"ports": [{"name": "http", "port": port, "protocol": "TCP"}]}
    for name, members in (("addresses", addresses), ("notReadyAddresses", waiting)):
        subset |= {name: [{"ip": each} for each in members]} if members else {}
    about = {"name": "web", "namespace": "default", "uid": "e", **metadata}
    return {"apiVersion": "v1", "kind": "Endpoints", "metadata": about, "subsets": [subset]}


def mirrored(cluster: Cluster) -> dict[tuple[str, int], bool]:
    """What the slices say: ready by address and port."""
    slices = [EndpointSlice.parse(each) for each in cluster.api.list(ENDPOINT_SLICES)[0]]
    assert all(each.service == WEB for each in slices)
    return {(e.addresses[0], p.port): e.ready for each in slices for e in each.endpoints for p in each.ports}


def test_should_mirror_a_custom_endpoints_resource_through_create_update_and_delete() -> None:
    cluster = Cluster()
    cluster.apply(SERVICES, SERVICE)
    made = cluster.api.create(ENDPOINTS, by_hand("10.1.2.3", waiting=("10.1.2.4",)))
    cluster.run()
    assert mirrored(cluster) == {("10.1.2.3", 80): True, ("10.1.2.4", 80): False}
    (only,) = cluster.api.list(ENDPOINT_SLICES)[0]
    assert only["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"] == mirroring.MANAGER
    assert only["metadata"]["ownerReferences"][0]["kind"] == "Endpoints"
    made = cluster.api.update(ENDPOINTS, {**made, "subsets": by_hand("10.2.3.4", port=8080)["subsets"]})
    cluster.run()
    assert mirrored(cluster) == {("10.2.3.4", 8080): True}
    cluster.api.update(ENDPOINTS, {**made, "subsets": by_hand("10.2.3.5", port=8080)["subsets"]})
    cluster.run()
    assert mirrored(cluster) == {("10.2.3.5", 8080): True}
    cluster.api.delete(ENDPOINTS, WEB)
    cluster.run()
    assert not cluster.api.list(ENDPOINT_SLICES)[0]


@pytest.mark.parametrize(
    ("metadata", "selector"),
    [
        ({"labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}}, None),
        ({"annotations": {"control-plane.alpha.kubernetes.io/leader": "{}"}}, None),
        ({}, {"app": "web"}),
    ],
)
def test_what_is_not_mirrored(metadata: Raw, selector: Raw | None) -> None:
    service = {**SERVICE, "spec": {**SERVICE["spec"], "selector": selector}}
    made = mirroring.slices(SERVICE, by_hand("10.1.2.3"), []).create
    assert len(made) == 1
    changes = mirroring.slices(service, by_hand("10.1.2.3", **metadata), made)
    assert (changes.create, changes.update, changes.delete) == ((), (), made)
    assert not mirroring.slices(None, by_hand("10.1.2.3"), []).create


def test_families_and_ports_have_slices_of_their_own_and_subsets_of_equal_ports_share_one() -> None:
    several = by_hand("10.1.2.3", "fd00::3")
    several["subsets"] += [*by_hand("10.1.2.4")["subsets"], *by_hand("10.1.2.3", port=81)["subsets"]]
    made = mirroring.slices(SERVICE, several, []).create
    found = {(m["addressType"], m["ports"][0]["port"]): [e["addresses"][0] for e in m["endpoints"]] for m in made}
    assert found == {("IPv4", 80): ["10.1.2.3", "10.1.2.4"], ("IPv6", 80): ["fd00::3"], ("IPv4", 81): ["10.1.2.3"]}
    assert len({each["metadata"]["name"] for each in made}) == 3


def test_what_an_address_says_is_kept_and_what_concerns_endpoints_alone_is_not() -> None:
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": "{}", "note": "kept"}
    given = by_hand("10.1.2.3", labels={"app": "web"}, annotations=annotations)
    target = {"kind": "Pod", "namespace": "default", "name": "p"}
    given["subsets"][0]["addresses"][0] |= {"hostname": "db-0", "nodeName": "n1", "targetRef": target}
    (made,) = mirroring.slices(SERVICE, given, []).create
    (endpoint,) = made["endpoints"]
    assert (endpoint["hostname"], endpoint["nodeName"], endpoint["targetRef"]) == ("db-0", "n1", target)
    assert made["metadata"]["annotations"] == {"note": "kept"}
    assert made["metadata"]["labels"]["app"] == "web"


def test_no_slice_has_more_than_a_thousand_addresses_and_a_mirror_that_is_right_is_left_alone() -> None:
    many = by_hand(*(f"10.1.{n // 250}.{n % 250 + 1}" for n in range(1200)))
    (made,) = mirroring.slices(SERVICE, many, []).create
    assert len(made["endpoints"]) == 1000
    stored = {**made, "metadata": {**made["metadata"], "uid": "s", "resourceVersion": "7"}}
    assert not mirroring.slices(SERVICE, many, [stored]).update
    edited = {**stored, "endpoints": []}
    (again,) = mirroring.slices(SERVICE, many, [edited]).update
    assert again == stored
