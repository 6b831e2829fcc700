"""EndpointSlices: who is in, in which state, in which slice, and that nothing is written without need."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8sshim import endpoints
from k8sshim.objects import EndpointSlice, Key, Raw

pytestmark = pytest.mark.unit


def service(*ports: Raw, **spec: object) -> Raw:
    metadata = {"name": "web", "namespace": "default", "uid": "s", "labels": {"app": "web"}}
    ports = ports or ({"name": "http", "port": 80, "targetPort": 8080},)
    body = {"selector": {"app": "web"}, "clusterIP": "10.96.0.9", "ports": list(ports), **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": body}


def pod(number: int, ready: bool = True, phase: str = "Running", terminating: bool = False, **spec: object) -> Raw:
    metadata: Raw = {"name": f"p{number}", "namespace": "default", "uid": f"u{number}"}
    if terminating:
        metadata["deletionTimestamp"] = "2024-05-01T00:00:00Z"
    address = f"10.244.{number // 250}.{number % 250 + 2}"
    conditions = [{"type": "Ready", "status": str(ready)}]
    status = {"phase": phase, "podIP": address, "podIPs": [{"ip": address}], "conditions": conditions}
    return {"metadata": metadata, "spec": {"nodeName": "n1", **spec}, "status": status}


def applied(existing: Sequence[Raw], changes: endpoints.Changes) -> list[Raw]:
    """The slices after the changes."""
    by_name = {each["metadata"]["name"]: each for each in existing}
    for each in changes.delete:
        del by_name[each["metadata"]["name"]]
    for each in changes.update:
        assert each["metadata"]["name"] in by_name
        by_name[each["metadata"]["name"]] = each
    for each in changes.create:
        assert each["metadata"]["name"] not in by_name
        by_name[each["metadata"]["name"]] = each
    return list(by_name.values())


def states(slices: Sequence[Raw]) -> dict[str, tuple[bool, bool, bool]]:
    """Ready, serving and terminating by pod, read as the controller of the network reads it."""
    views = [EndpointSlice.parse(each) for each in slices]
    found = [(e.target.name, (e.ready, e.serving, e.terminating)) for view in views for e in view.endpoints if e.target]
    assert len(found) == len(dict(found)), "a pod stands in two slices"
    return dict(found)


def test_a_slice_says_what_kubernetes_says() -> None:
    (made,) = endpoints.slices(service(), [pod(1)], []).create
    assert made["metadata"]["labels"] == {
        "app": "web",
        "kubernetes.io/service-name": "web",
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
    }
    assert made["metadata"]["ownerReferences"][0] | {"blockOwnerDeletion": True} == {
        "apiVersion": "v1",
        "kind": "Service",
        "name": "web",
        "uid": "s",
        "controller": True,
        "blockOwnerDeletion": True,
    }
    assert made["addressType"] == "IPv4"
    assert made["ports"] == [{"name": "http", "protocol": "TCP", "port": 8080}]
    assert made["endpoints"] == [
        {
            "addresses": ["10.244.0.3"],
            "conditions": {"ready": True, "serving": True, "terminating": False},
            "nodeName": "n1",
            "targetRef": {"kind": "Pod", "namespace": "default", "name": "p1", "uid": "u1"},
        }
    ]


@pytest.mark.parametrize(
    ("of_pod", "publish", "state"),
    [
        (pod(1), False, (True, True, False)),
        (pod(1, ready=False), False, (False, False, False)),
        (pod(1, terminating=True), False, (False, True, True)),
        (pod(1, ready=False, terminating=True), False, (False, False, True)),
        (pod(1, ready=False), True, (True, False, False)),
        (pod(1, terminating=True), True, (True, True, True)),
        (pod(1, phase="Failed"), False, None),
        (pod(1, phase="Succeeded"), True, None),
    ],
)
def test_conditions(of_pod: Raw, publish: bool, state: tuple[bool, bool, bool] | None) -> None:
    changes = endpoints.slices(service(publishNotReadyAddresses=publish), [of_pod], [])
    assert states(changes.create).get("p1") == state


def test_a_pod_without_an_address_is_no_endpoint_yet() -> None:
    without = pod(1)
    without["status"].update(podIP="", podIPs=[])
    (made,) = endpoints.slices(service(), [without], []).create
    assert made["endpoints"] == []


@pytest.mark.parametrize("spec", [{"selector": None}, {"selector": {}}, {"type": "ExternalName"}])
def test_services_whose_endpoints_are_somebody_elses(spec: Raw) -> None:
    assert endpoints.slices(service(**spec), [pod(1)], []) == endpoints.Changes()


def test_named_ports_are_each_pods_own() -> None:
    def declaring(number: int, port: int, **fields: object) -> Raw:
        return pod(number, containers=[{"ports": [{"name": "main", "containerPort": port, **fields}]}])

    sidecar = {"restartPolicy": "Always", "ports": [{"name": "main", "containerPort": 3000}]}
    pods = [
        declaring(1, 3000),
        declaring(2, 4000),
        declaring(3, 3000),
        declaring(4, 3000, protocol="UDP"),
        pod(5),
        pod(6, initContainers=[sidecar]),
    ]
    made = endpoints.slices(service({"name": "a", "port": 80, "targetPort": "main"}), pods, []).create
    by_ports = {tuple(p["port"] for p in each["ports"]): sorted(states([each])) for each in made}
    assert by_ports == {(3000,): ["p1", "p3", "p6"], (4000,): ["p2"], (): ["p4", "p5"]}


def test_numbers_and_protocols_of_ports() -> None:
    ports = (
        {"name": "a", "port": 53, "protocol": "UDP"},
        {"name": "b", "port": 80, "targetPort": "8080", "appProtocol": "h2c"},
    )
    (made,) = endpoints.slices(service(*ports), [pod(1)], []).create
    assert made["ports"] == [
        {"name": "a", "protocol": "UDP", "port": 53},
        {"name": "b", "protocol": "TCP", "port": 8080, "appProtocol": "h2c"},
    ]


def test_headless_services_have_slices_and_hostnames() -> None:
    member = pod(1, hostname="db-0", subdomain="web")
    (made,) = endpoints.slices(service(clusterIP="None"), [member], []).create
    assert made["metadata"]["labels"]["service.kubernetes.io/headless"] == ""
    assert made["endpoints"][0]["hostname"] == "db-0"


def test_each_address_family_has_slices_of_its_own() -> None:
    both = pod(1)
    both["status"]["podIPs"].append({"ip": "fd00::3"})
    made = endpoints.slices(service(ipFamilies=["IPv6", "IPv4"]), [both, pod(2)], []).create
    found = {each["addressType"]: [e["addresses"] for e in each["endpoints"]] for each in made}
    assert found == {"IPv6": [["fd00::3"]], "IPv4": [["10.244.0.3"], ["10.244.0.4"]]}


def test_a_family_that_is_given_up_loses_its_slices() -> None:
    made = endpoints.slices(service(ipFamilies=["IPv4", "IPv6"]), [pod(1)], []).create
    changes = endpoints.slices(service(), [pod(1)], made)
    assert [each["addressType"] for each in changes.delete] == ["IPv6"]
    assert not changes.create and not changes.update


def test_without_endpoints_one_empty_slice_stays() -> None:
    made = endpoints.slices(service(), [pod(number) for number in range(250)], []).create
    assert [len(each["endpoints"]) for each in made] == [100, 100, 50]
    left = applied(made, endpoints.slices(service(), [], made))
    assert [each["endpoints"] for each in left] == [[]]
    assert endpoints.slices(service(), [], left) == endpoints.Changes()


def test_one_change_touches_one_slice() -> None:
    pods = [pod(number) for number in range(250)]
    made = list(endpoints.slices(service(), pods, []).create)
    pods[120] = pod(120, ready=False)
    changes = endpoints.slices(service(), pods, made)
    assert (len(changes.create), len(changes.update), len(changes.delete)) == (0, 1, 0)
    assert states(changes.update)["p120"] == (False, False, False)


def test_a_name_is_the_same_each_time_and_another_for_each_slice() -> None:
    pods = [pod(number) for number in range(250)]
    first, again = (endpoints.slices(service(), pods, []).create for _ in range(2))
    assert [Key.of(each) for each in first] == [Key.of(each) for each in again]
    assert len({Key.of(each) for each in first}) == 3


LIVES = st.lists(
    st.dictionaries(st.integers(0, 260), st.tuples(st.booleans(), st.booleans()), max_size=230), max_size=4
)


@given(LIVES)
def test_slices_follow_whatever_happens_and_then_rest(life: list[dict[int, tuple[bool, bool]]]) -> None:
    slices: list[Raw] = []
    for present in life:
        pods = [pod(number, ready=ready, terminating=ending) for number, (ready, ending) in present.items()]
        slices = applied(slices, endpoints.slices(service(), pods, slices))
        assert states(slices) == {
            f"p{number}": (ready and not ending, ready, ending) for number, (ready, ending) in present.items()
        }
        assert all(len(each["endpoints"]) <= 100 for each in slices)
        assert slices
        assert endpoints.slices(service(), pods, slices) == endpoints.Changes()


@pytest.mark.parametrize(
    ("spec", "annotations", "hints"),
    [
        ({}, {}, None),
        ({"trafficDistribution": "PreferClose"}, {}, {"forZones": [{"name": "z1"}]}),
        ({"trafficDistribution": "PreferSameZone"}, {}, {"forZones": [{"name": "z1"}]}),
        (
            {"trafficDistribution": "PreferSameNode"},
            {},
            {"forZones": [{"name": "z1"}], "forNodes": [{"name": "n1"}]},
        ),
        ({}, {"service.kubernetes.io/topology-mode": "Auto"}, {"forZones": [{"name": "z1"}]}),
        ({}, {"service.kubernetes.io/topology-aware-hints": "auto"}, {"forZones": [{"name": "z1"}]}),
        ({}, {"service.kubernetes.io/topology-mode": "Disabled"}, None),
    ],
)
def test_hints_say_whom_an_endpoint_is_for(spec: Raw, annotations: Raw, hints: Raw | None) -> None:
    of = service(**spec)
    of["metadata"]["annotations"] = annotations
    (made,) = endpoints.slices(of, [pod(1)], [], {"n1": "z1"}.__getitem__).create
    assert [(each["zone"], each.get("hints")) for each in made["endpoints"]] == [("z1", hints)]


def test_an_endpoint_without_a_zone_has_no_zone_hint() -> None:
    (made,) = endpoints.slices(service(trafficDistribution="PreferClose"), [pod(1)], []).create
    assert not {"zone", "hints"} & set(made["endpoints"][0])


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        (pod(1), pod(1), True),
        (pod(1), pod(1, ready=False), False),
        (pod(1), pod(1, terminating=True), False),
        (pod(1), pod(1, phase="Failed"), False),
        (pod(1), pod(2), False),
        (pod(1), pod(1, hostname="h"), False),
        (pod(1, phase="Failed"), None, True),
        (pod(1), {**pod(1), "metadata": {**pod(1)["metadata"], "labels": {"app": "other"}}}, False),
        (pod(1), {**pod(1), "metadata": {**pod(1)["metadata"], "annotations": {"seen": "yes"}}}, True),
    ],
)
def test_what_of_a_pod_endpoints_follow_from(old: Raw, new: Raw | None, same: bool) -> None:
    assert (endpoints.essence(old) == endpoints.essence(new)) is same
