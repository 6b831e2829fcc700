"""The published schema of scenarios and the parser know the same fields, the same bounds, and the same choices."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from experiments import catalogue, scenario
from experiments.scenario_schema import PARAMETERS, SCHEMA
from k8sshim.errors import BadInput

pytestmark = pytest.mark.unit

PUBLISHED = Path(__file__).resolve().parents[2] / "docs" / "scenario.schema.json"
OUR_OWN = {name: yaml.safe_load(catalogue.find(name).read_text()) for name in catalogue.names()}
Place = tuple[str | int, ...]


def known_by_schema(raw: Any) -> bool:
    return bool(Draft202012Validator(SCHEMA).is_valid(raw))


def known_by_parser(raw: Any) -> bool:
    try:
        scenario.parse(raw)
    except BadInput:
        return False
    return True


def test_it_is_published_and_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert json.loads(PUBLISHED.read_text()) == SCHEMA, (
        "python -m experiments.scenario_schema > docs/scenario.schema.json"
    )


def test_every_experiment_has_its_parameters() -> None:
    assert set(PARAMETERS) == set(scenario.PARSERS)


@pytest.mark.parametrize("name", OUR_OWN)
def test_our_own_scenarios_are_such(name: str) -> None:
    assert known_by_parser(OUR_OWN[name])
    assert list(Draft202012Validator(SCHEMA).iter_errors(OUR_OWN[name])) == []
    assert known_by_schema(scenario.to_raw(scenario.parse(OUR_OWN[name])))


def full(kind: str) -> dict[str, Any]:
    """A scenario of the kind, with every field that the schema knows."""
    key = "a/b"
    pod = {"pod": key, "service": key}
    step = {"at": 1, "for": 1, "fault": "link-loss", "targets": ["a:b"], "percent": 5}
    new = {"at": 2, "newcomer": "n"}
    parameters: dict[str, dict[str, Any]] = {
        "throughput": {
            "client": key, "servers": {"same-node": pod, "cross-node": pod}, "paths": ["pod-to-pod"],
            "floors": ["veth"],
            "protocols": ["TCP"], "streams": [1], "messageBytes": [1000], "udpMbitPerSecond": 5, "latency": True,
            "requestIntervalMs": 1,
        },
        "load-balancing": {
            "namespace": "a", "clients": "b", "port": 80, "connections": 5,
            "services": dict.fromkeys(("hash", "source", "weighted", "round-robin", "consistent"), key),
        },
        "service-scale": {
            "client": key, "servers": "s", "sizes": [1], "endpoints": 1, "firstPackets": 1, "connections": 1,
            "changes": 1, "peers": ["iptables"],
        },
        "policy-scale": {
            "client": key, "stranger": "a", "guarded": "b", "servers": "c", "policies": [0], "policyPeers": [1],
            "firstPackets": 1, "connections": 1, "changes": 1, "newcomers": 1, "beside": ["kube-router"],
        },
        "transfer": {
            "client": key, "server": key, "measure": ["throughput"], "streams": 1, "port": 80, "connections": 1,
        },
        "self-check": {"client": key, "server": key, "requests": 100},
        "ecmp": {"client": key, "server": key, "port": 80, "flows": [1]},
        "timeline": {
            "client": key, "server": key, "service": key, "port": 80, "watch": ["udp"], "tcpMbitPerSecond": 5,
            "cases": {
                "c": {"steps": [step], "seconds": 5, "server": key},
                "d": {"steps": [{"at": 1, "fault": "link-delay", "targets": ["a:b"], "ms": 5}, new]},
            },
        },
    }  # fmt: skip
    each = {"tcp": 1, "udp": 1, "latency": 1}
    spec = {
        "description": "d", "cluster": {"nodes": 2}, "manifests": ["m.yaml"], "experiment": kind, "repetitions": 5,
        "secondsPerReading": each, "seed": 1, "parameters": parameters[kind], "sweep": {"mtu": [1500]},
        "quick": {"repetitions": 5, "secondsPerReading": each, "sweep": {"mtu": [1500]}, "parameters": {}},
    }  # fmt: skip
    return {"apiVersion": "podwire.dev/v1alpha1", "kind": "Scenario", "metadata": {"name": "full"}, "spec": spec}


KINDS = sorted(PARAMETERS)


def objects(raw: Any, place: Place = ()) -> Iterator[Place]:
    if isinstance(raw, dict):
        yield place
    items = raw.items() if isinstance(raw, dict) else enumerate(raw) if isinstance(raw, list) else ()
    for name, value in items:
        yield from objects(value, (*place, name))


def at(raw: Any, place: Place) -> Any:
    for name in place:
        raw = raw[name]
    return raw


def schemas(kind: str) -> dict[Place, dict[str, Any]]:
    """The schema of each place of the full scenario, where it is an object."""
    spec = SCHEMA["properties"]["spec"]
    found = {(): SCHEMA, ("metadata",): SCHEMA["properties"]["metadata"], ("spec",): spec}
    found["spec", "quick"] = spec["properties"]["quick"]
    for place in (("spec",), ("spec", "quick")):
        found[(*place, "secondsPerReading")] = spec["properties"]["secondsPerReading"]["anyOf"][1]

    def walk(schema: dict[str, Any], raw: Any, place: Place) -> None:
        if isinstance(raw, dict):
            found[place] = schema
            for name, value in raw.items():
                walk(schema["properties"].get(name) or {}, value, (*place, name)) if "properties" in schema else walk(
                    schema["additionalProperties"], value, (*place, name)
                )
        elif isinstance(raw, list):
            for index, value in enumerate(raw):
                walk(schema.get("items", {}), value, (*place, index))

    walk(PARAMETERS[kind], full(kind)["spec"]["parameters"], ("spec", "parameters"))
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_the_full_scenario_is_known_to_both(kind: str) -> None:
    assert known_by_parser(full(kind))
    assert known_by_schema(full(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_both_know_the_same_fields(kind: str) -> None:
    """The parser says which it knows where it is given one that it does not."""
    for place, schema in schemas(kind).items():
        if "properties" not in schema:
            continue
        raw = full(kind)
        at(raw, place)["zzzzzzzz"] = 1
        with pytest.raises(BadInput) as caught:
            scenario.parse(raw)
        line = next(str(one) for one in caught.value.problems if "unknown field" in str(one))
        assert set(line.partition("known are ")[2].split(", ")) == set(schema["properties"]), place
        assert not known_by_schema(raw)


@pytest.mark.parametrize("kind", KINDS)
def test_both_have_the_same_bounds_and_choices(kind: str) -> None:
    tried = 0
    for place, schema in schemas(kind).items():
        for name, field in schema.get("properties", {}).items():
            if name not in at(full(kind), place):
                continue
            for value in beyond(field):
                raw = deepcopy(full(kind))
                at(raw, place)[name] = value
                assert (known_by_parser(raw), known_by_schema(raw)) == (False, False), (*place, name, value)
                tried += 1
    assert tried > 10


def beyond(field: dict[str, Any]) -> Iterator[Any]:
    """Values just outside what a field may be."""
    if "items" in field:
        yield from ([value] for value in beyond(field["items"]))
        return
    if "minimum" in field:
        yield field["minimum"] - 1
    if "maximum" in field:
        yield field["maximum"] + 1
    if "exclusiveMinimum" in field:
        yield field["exclusiveMinimum"]
    if "enum" in field:
        yield "zzzzzzzz"
    if field.get("type") in ("integer", "number"):
        yield "many"
