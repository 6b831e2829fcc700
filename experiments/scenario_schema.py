"""The published shape of scenario files (JSON Schema 2020-12), for editors and for programs that write them. Pure.

`python -m experiments.scenario_schema` prints it; docs/scenario.schema.json is that output. The parser is what decides,
and says more in words; a test holds that the two know the same fields and bounds.
"""

from __future__ import annotations

import json
from typing import Any

from experiments import scenario, throughput
from experiments.balancing import parameters as balancing
from experiments.ecmp import parameters as ecmp
from experiments.policy_scaling import parameters as policy_scaling
from experiments.scaling import parameters as scaling
from experiments.self_check import parameters as self_check
from experiments.timeline import parameters as timeline
from experiments.transfer import parameters as transfer
from k8sshim.cluster import CLUSTER_API_VERSION
from k8sshim.names import DNS_LABEL, DNS_SUBDOMAIN
from k8sshim.objects import Raw
from lab.faults import kinds

_LABEL = f"^{DNS_LABEL}$"
_TEXT: Raw = {"type": "string", "minLength": 1}
_KEY: Raw = {
    "type": "string",
    "pattern": f"^({DNS_LABEL}/)?{DNS_SUBDOMAIN}$",
    "description": "an object as namespace/name, or a name in the namespace default",
}


def _object(properties: Raw, required: tuple[str, ...] = (), **more: Any) -> Raw:
    """An object of these fields and no others."""
    found: Raw = {"type": "object", "properties": properties, "additionalProperties": False, **more}
    return found | ({"required": list(required)} if required else {})


def _integer(low: int, high: int, says: str = "") -> Raw:
    return {"type": "integer", "minimum": low, "maximum": high, **({"description": says} if says else {})}


def _number(low: float, high: float, says: str = "") -> Raw:
    return {"type": "number", "minimum": low, "maximum": high, **({"description": says} if says else {})}


def _integers(low: int, high: int, says: str = "") -> Raw:
    return {"type": "array", "items": _integer(low, high), **({"description": says} if says else {})}


def _words(choices: tuple[str, ...]) -> Raw:
    return {"type": "array", "items": {"enum": list(choices)}}


_PORT = _integer(1, 65535)
_SERVER = _object({"pod": _KEY, "service": _KEY}, ("pod",))

_THROUGHPUT = _object(
    {
        "client": _KEY,
        "servers": _object(dict.fromkeys(throughput.LOCALITIES, _SERVER), minProperties=1),
        "paths": _words(throughput.PATHS),
        "floors": _words(throughput.FLOORS),
        "protocols": _words(throughput.PROTOCOLS),
        "streams": _integers(1, throughput.MAX_STREAMS, "how many at a time"),
        "messageBytes": _integers(
            throughput.MIN_MESSAGE, throughput.MAX_MESSAGE, "what a sender writes at a time; none: as iperf3 does"
        ),
        "udpMbitPerSecond": _number(0.1, 1e6, "offered, over all streams together"),
        "latency": {"type": "boolean"},
        "requestIntervalMs": _number(0.1, 1000),
    },
    ("client", "servers"),
)
_BALANCING = _object(
    {
        "namespace": {"type": "string", "pattern": _LABEL},
        "clients": {"type": "string", "pattern": _LABEL, "description": "the label app of the pods that ask"},
        "services": _object(dict.fromkeys(balancing.MODES, _KEY), minProperties=1),
        "port": _PORT,
        "connections": _integer(1, balancing.MAX_CONNECTIONS),
    },
    ("namespace", "clients", "services"),
)
_SCALING = _object(
    {
        "client": _KEY,
        "servers": {**_TEXT, "description": "the label app of the pods that answer"},
        "sizes": _integers(1, scaling.MAX_SIZE, "how many Services"),
        "endpoints": _integer(1, scaling.MAX_ENDPOINTS, "of each Service"),
        "firstPackets": _integer(1, 10_000),
        "connections": _integer(1, 100_000),
        "changes": _integer(1, 1000),
        "peers": _words(scaling.PEERS),
    },
    ("client", "servers"),
)
_POLICY_SCALING = _object(
    {
        "client": _KEY,
        "stranger": _TEXT,
        "guarded": _TEXT,
        "servers": _TEXT,
        "policies": _integers(0, policy_scaling.MAX_POLICIES),
        "policyPeers": _integers(1, policy_scaling.MAX_PEERS),
        "firstPackets": _integer(1, 10_000),
        "connections": _integer(1, 100_000),
        "changes": _integer(1, 1000),
        "newcomers": _integer(1, 1000),
        "beside": _words(policy_scaling.BESIDE),
    },
    ("client", "stranger", "guarded", "servers"),
)
_TRANSFER = _object(
    {
        "client": _KEY,
        "server": {**_KEY, "description": "on another node, with iperf3, irtt and a stand-in's port"},
        "measure": {**_words(transfer.MEASURES), "minItems": 1},
        "streams": _integer(1, transfer.MAX_STREAMS),
        "port": _PORT,
        "connections": _integer(1, 10_000, "of one reading of first-packet"),
    },
    ("client", "server"),
)
_SELF_CHECK = _object(
    {
        "client": _KEY,
        "server": {**_KEY, "description": "on another node, with iperf3 and irtt"},
        "requests": _integer(100, 100_000, "of one reading of loss"),
    },
    ("client", "server"),
)
_ECMP = _object(
    {
        "client": _KEY,
        "server": {**_KEY, "description": "on another node, with a stand-in's port"},
        "port": _PORT,
        "flows": _integers(1, ecmp.MAX_FLOWS, "connections of one reading"),
    },
    ("client", "server"),
)
_STEP = _object(
    {
        "at": _number(timeline.LEAD_S, timeline.MAX_SECONDS, "seconds from the case's beginning"),
        "for": _number(0, timeline.MAX_SECONDS, "undone after so many seconds; else at the case's end"),
        "fault": {"enum": list(kinds.KINDS), "description": "as podwire fault has it"},
        "targets": {"type": "array", "items": {"type": "string"}},
        "percent": {"type": "number", "exclusiveMinimum": 0, "maximum": 100, "description": "of link-loss"},
        "ms": {"type": "number", "exclusiveMinimum": 0, "maximum": kinds.MOST_DELAY_MS, "description": "of link-delay"},
        "newcomer": {**_TEXT, "description": "the name of a pod that is made"},
    },
    oneOf=[{"required": ["fault"]}, {"required": ["newcomer"]}],
)
_CASE = _object(
    {
        "steps": {"type": "array", "items": _STEP, "minItems": 1},
        "seconds": _number(timeline.LEAD_S, timeline.MAX_SECONDS),
        "server": _KEY,
    },
    ("steps",),
)
_TIMELINE = _object(
    {
        "client": _KEY,
        "server": {**_KEY, "description": "runs iperf3 and irtt"},
        "service": {**_KEY, "description": "what new connections go to; the server without it"},
        "port": _PORT,
        "watch": _words(timeline.WATCHES),
        "tcpMbitPerSecond": _number(0.1, 1000),
        "cases": {"type": "object", "additionalProperties": _CASE, "minProperties": 1},
    },
    ("client", "server", "cases"),
)
PARAMETERS: dict[str, Raw] = {
    throughput.NAME: _THROUGHPUT,
    balancing.NAME: _BALANCING,
    scaling.NAME: _SCALING,
    policy_scaling.NAME: _POLICY_SCALING,
    transfer.NAME: _TRANSFER,
    ecmp.NAME: _ECMP,
    self_check.NAME: _SELF_CHECK,
    timeline.NAME: _TIMELINE,
}

_SECONDS = _number(scenario.MIN_SECONDS, scenario.MAX_SECONDS)
_PACE: Raw = {
    "repetitions": _integer(1, scenario.MAX_REPETITIONS),
    "secondsPerReading": {
        "description": "one number for all, or one for each kind of reading",
        "anyOf": [_SECONDS, _object(dict.fromkeys(("tcp", "udp", "latency"), _SECONDS))],
    },
}
_SWEEP: Raw = {
    "type": "object",
    "description": "fields of the cluster's spec by path (network.mode), each with its values: a lab for each choice",
    "additionalProperties": {
        "type": "array",
        "items": {"type": ["string", "integer", "number", "boolean", "object"]},
        "minItems": 1,
    },
}


def _of_kind(name: str, parameters: Raw) -> Raw:
    """What holds where the experiment is of this kind; throughput is what it is when nothing is said."""
    chosen: Raw = {"properties": {"experiment": {"const": name}}}
    if name != throughput.NAME:
        chosen["required"] = ["experiment"]
    partly = {key: value for key, value in parameters.items() if key not in ("required", "minProperties")}
    quick = {"properties": {"parameters": partly}}
    return {
        "if": chosen,
        "then": {"properties": {"parameters": parameters, "quick": quick}, "required": ["parameters"]},
    }


_SPEC = _object(
    {
        "description": {"type": "string"},
        "cluster": {
            "description": "a Cluster's spec (docs/cluster.md), or the path of a Cluster's file",
            "anyOf": [{"type": "object"}, _TEXT],
        },
        "manifests": {"type": "array", "items": _TEXT, "description": "paths, relative to this file"},
        "experiment": {"enum": list(PARAMETERS), "description": f"{throughput.NAME} where it is absent"},
        **_PACE,
        "seed": _integer(0, 2**31 - 1, "of every order that is shuffled"),
        "quick": _object(
            {**_PACE, "sweep": _SWEEP, "parameters": {"type": "object"}}, description="what --quick changes"
        ),
        "parameters": {"type": "object", "description": "what is measured: see docs/experiments.md"},
        "sweep": _SWEEP,
    },
    allOf=[_of_kind(name, parameters) for name, parameters in PARAMETERS.items()],
)
SCHEMA: Raw = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "podwire Scenario",
    "description": "What an experiment is asked to do.",
    **_object(
        {
            "apiVersion": {"const": CLUSTER_API_VERSION},
            "kind": {"const": scenario.KIND},
            "metadata": _object({"name": {"type": "string", "pattern": _LABEL, "maxLength": 63}}, ("name",)),
            "spec": _SPEC,
        },
        ("apiVersion", "kind", "metadata", "spec"),
    ),
}

if __name__ == "__main__":
    print(json.dumps(SCHEMA, indent=2))
