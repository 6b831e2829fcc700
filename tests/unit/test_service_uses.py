"""`podwire services`: which endpoints are a Service's, and which counts are whose."""

from __future__ import annotations

from dataclasses import replace

import pytest
from network_model import cluster_of, endpoint, endpoint_slice, node, service

from k8sshim.objects import Key
from lab.tracing.counters import Counts, uses
from lab.tracing.network import Network

pytestmark = pytest.mark.unit
HTTP = ("http", "TCP", 80)


def network() -> Network:
    one = service("one", "10.96.0.5", HTTP)
    two = service("two", "10.96.0.6", HTTP)
    shared = endpoint("10.244.2.2")
    slices = [endpoint_slice("one", [shared, endpoint("10.244.2.3", ready=False)], HTTP)]
    slices += [endpoint_slice("two", [shared], HTTP)]
    named = endpoint_slice("one", [endpoint("db.example.org")], HTTP)
    slices += [replace(named, key=Key("default", "one-named"), address_type="FQDN")]
    views = [("Cluster", Key("", "lab"), cluster_of(2)), ("Node", Key("", "node1"), node(1))]
    views += [("Service", each.key, each) for each in (one, two)]
    views += [("EndpointSlice", each.key, each) for each in slices]
    return Network(views)


def test_only_endpoints_that_the_data_path_knows_are_listed() -> None:
    one, _ = uses(network(), Counts())
    assert [(each.address, each.state) for each in one.ports[0].endpoints] == [
        ("10.244.2.2", "ready"),
        ("10.244.2.3", "not ready"),
    ]


def test_an_endpoint_of_two_services_is_counted_by_service() -> None:
    known, counts = network(), Counts()
    two = Key("default", "two")
    for flow in known.desired.wanted(1).flows.values():
        if flow.owner.subject == f"Service {two}":
            table, cookie = flow.id
            counts.add(known, "b1", f" cookie={cookie:#x}, duration=1s, table={table}, n_packets=3, n_bytes=180, x")
    used = {use.service.key.name: use.ports[0] for use in uses(known, counts)}
    assert [used[name].connections for name in ("one", "two")] == [0, 3]
    assert used["two"].bytes_in == used["two"].bytes_out == 180
