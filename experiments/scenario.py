"""What an experiment is asked to do: a Scenario in Kubernetes' manner, checked whole before anything is built. Pure.

A scenario names a cluster, manifests and an experiment with its parameters; `experiments.catalogue` reads the files
that it names. `run_as` applies what the command line overrides, and `to_raw` writes down what was really run.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from experiments.reading_fields import number, words
from k8sshim import names
from k8sshim.cluster import CLUSTER_API_VERSION
from k8sshim.errors import BadInput
from k8sshim.objects import Key, Raw
from topo.fields import Fields, Problems

KIND = "Scenario"
THROUGHPUT = "throughput"
EXPERIMENTS = (THROUGHPUT,)
POD_TO_POD, POD_TO_SERVICE, NODE_TO_POD, FLOOR = "pod-to-pod", "pod-to-service", "node-to-pod", "floor"
PATHS = (POD_TO_POD, POD_TO_SERVICE, NODE_TO_POD)
SAME_NODE, CROSS_NODE = "same-node", "cross-node"
LOCALITIES = (SAME_NODE, CROSS_NODE)
VETH, LINUX_BRIDGE, OVS_NORMAL = "veth", "linux-bridge", "ovs-normal"
FLOORS = (VETH, LINUX_BRIDGE, OVS_NORMAL)
TCP, UDP = "TCP", "UDP"
PROTOCOLS = (TCP, UDP)
DEFAULT_STREAMS = (1, 4)
MAX_STREAMS, MAX_REPETITIONS = 128, 10_000
MIN_SECONDS, MAX_SECONDS = 0.05, 600.0


@dataclass(frozen=True)
class Server:
    """A pod that answers, and the Service in front of it and of no other pod."""

    locality: str  # where it stands, seen from the client
    pod: Key
    service: Key | None


@dataclass(frozen=True)
class Traffic:
    """The throughput experiment's parameters."""

    client: Key  # the pod that sends; paths from a node start at its node
    servers: tuple[Server, ...]
    paths: tuple[str, ...] = PATHS
    floors: tuple[str, ...] = FLOORS
    protocols: tuple[str, ...] = PROTOCOLS
    streams: tuple[int, ...] = DEFAULT_STREAMS
    udp_mbit_per_s: float = 200.0  # offered, over all streams together
    latency: bool = True
    request_interval_ms: float = 1.0  # of the request-response readings


@dataclass(frozen=True)
class Pace:
    """How often, and how long a reading lasts."""

    repetitions: int = 5
    tcp_s: float = 1.0  # short ones see single retransmission timeouts, of 0.2 s each
    udp_s: float = 1.0
    latency_s: float = 1.0

    @property
    def seconds(self) -> Raw:
        """As the scenario has it."""
        return {"tcp": self.tcp_s, "udp": self.udp_s, "latency": self.latency_s}


@dataclass(frozen=True)
class Scenario:
    """A scenario, complete and free of contradictions."""

    name: str
    description: str
    cluster: Raw | str  # a Cluster's spec, or the path of a Cluster's file
    manifests: tuple[str, ...]  # paths, relative to the scenario's file
    experiment: str
    pace: Pace
    quick: Pace
    seed: int
    traffic: Traffic


def parse(raw: Any, file: str = "") -> Scenario:
    """The scenario, defaults filled in. Raises BadInput with every problem found."""
    name = raw["metadata"].get("name") if isinstance(raw, dict) and isinstance(raw.get("metadata"), dict) else None
    problems = Problems(file, f"{KIND} {name}" if isinstance(name, str) else KIND)
    top = Fields(raw, "", problems)
    for field, expected in (("apiVersion", CLUSTER_API_VERSION), ("kind", KIND)):
        value = top.required(field)
        if value is not None and value != expected:
            top.wrong(field, f"must be {expected}, not {value!r}")
    parsed = _parse_spec(top.fields("spec"), _parse_name(top.fields("metadata")))
    top.close()
    if problems.found:
        raise BadInput(*problems.found)
    return parsed


def run_as(
    scenario: Scenario, *, quick: bool = False, repetitions: int | None = None, seed: int | None = None
) -> Scenario:
    """The scenario with the command line's overrides."""
    pace = scenario.quick if quick else scenario.pace
    if repetitions is not None:
        pace = replace(pace, repetitions=repetitions)
    return replace(scenario, pace=pace, seed=scenario.seed if seed is None else seed)


def to_raw(scenario: Scenario) -> Raw:
    """The object that parses back to this scenario."""
    traffic = scenario.traffic
    servers = {
        server.locality: {"pod": str(server.pod), **({"service": str(server.service)} if server.service else {})}
        for server in traffic.servers
    }
    spec: Raw = {
        "description": scenario.description,
        "cluster": scenario.cluster,
        "manifests": list(scenario.manifests),
        "experiment": scenario.experiment,
        "repetitions": scenario.pace.repetitions,
        "secondsPerReading": scenario.pace.seconds,
        "seed": scenario.seed,
        "quick": {"repetitions": scenario.quick.repetitions, "secondsPerReading": scenario.quick.seconds},
        "parameters": {
            "client": str(traffic.client),
            "servers": servers,
            "paths": list(traffic.paths),
            "floors": list(traffic.floors),
            "protocols": list(traffic.protocols),
            "streams": list(traffic.streams),
            "udpMbitPerSecond": traffic.udp_mbit_per_s,
            "latency": traffic.latency,
            "requestIntervalMs": traffic.request_interval_ms,
        },
    }
    return {"apiVersion": CLUSTER_API_VERSION, "kind": KIND, "metadata": {"name": scenario.name}, "spec": spec}


def _parse_name(metadata: Fields) -> str:
    name = metadata.required("name")
    if name is not None and (wrong := names.dns_label(name)):
        metadata.wrong("name", wrong)
    metadata.close()
    return name or ""


def _parse_spec(spec: Fields, name: str) -> Scenario:
    parsed = Scenario(
        name=name,
        description=spec.text("description", "") or "",
        cluster=_parse_cluster(spec),
        manifests=words(spec, "manifests"),
        experiment=spec.choice("experiment", EXPERIMENTS, THROUGHPUT),
        pace=(pace := _parse_pace(spec, Pace())),
        quick=_parse_quick(spec.fields("quick"), pace),
        seed=spec.integer("seed", 1, 0, 2**31 - 1),
        traffic=_parse_traffic(spec.fields("parameters")),
    )
    spec.close()
    return parsed


def _parse_cluster(spec: Fields) -> Raw | str:
    value = spec.take("cluster")
    if isinstance(value, dict) or (isinstance(value, str) and value):
        return value
    if value is not None:
        spec.wrong("cluster", "must be a Cluster's spec, or the path of a Cluster's file")
    return {}


def _parse_pace(fields: Fields, default: Pace) -> Pace:
    """`secondsPerReading` is one number for all, or one each for `tcp`, `udp` and `latency`."""
    repetitions = fields.integer("repetitions", default.repetitions, 1, MAX_REPETITIONS)
    if not isinstance(fields.raw.get("secondsPerReading"), dict):
        seconds = number(fields, "secondsPerReading", 0.0, MIN_SECONDS, MAX_SECONDS)
        return Pace(repetitions, seconds, seconds, seconds) if seconds else replace(default, repetitions=repetitions)
    each = fields.fields("secondsPerReading")
    pace = Pace(
        repetitions,
        number(each, "tcp", default.tcp_s, MIN_SECONDS, MAX_SECONDS),
        number(each, "udp", default.udp_s, MIN_SECONDS, MAX_SECONDS),
        number(each, "latency", default.latency_s, MIN_SECONDS, MAX_SECONDS),
    )
    each.close()
    return pace


def _parse_quick(quick: Fields, pace: Pace) -> Pace:
    parsed = _parse_pace(quick, pace)
    quick.close()
    return parsed


def _parse_traffic(fields: Fields) -> Traffic:
    parsed = Traffic(
        client=_key(fields, "client"),
        servers=_parse_servers(fields.fields("servers")),
        paths=words(fields, "paths", PATHS),
        floors=words(fields, "floors", FLOORS),
        protocols=words(fields, "protocols", PROTOCOLS),
        streams=_parse_streams(fields),
        udp_mbit_per_s=number(fields, "udpMbitPerSecond", Traffic.udp_mbit_per_s, 0.1, 1e6),
        latency=_parse_flag(fields, "latency"),
        request_interval_ms=number(fields, "requestIntervalMs", Traffic.request_interval_ms, 0.1, 1000),
    )
    if POD_TO_SERVICE in parsed.paths:
        for server in parsed.servers:
            if server.service is None:
                fields.wrong(f"servers.{server.locality}.service", f"is required: paths has {POD_TO_SERVICE}")
    fields.close()
    return parsed


def _parse_servers(fields: Fields) -> tuple[Server, ...]:
    servers = []
    for locality in LOCALITIES:
        if fields.take(locality) is not None:
            server = fields.fields(locality)
            service = _key(server, "service") if server.raw.get("service") else None
            servers.append(Server(locality, _key(server, "pod"), service))
            server.take("service")
            server.close()
    if not fields.raw:
        fields.problems.add(fields.path, f"is required: the pods that answer, {' and '.join(LOCALITIES)}")
    fields.close()
    return tuple(servers)


def _key(fields: Fields, name: str) -> Key:
    """An object as `namespace/name`, or a name in `default`."""
    namespace, slash, rest = (fields.required(name) or "").rpartition("/")
    key = Key(namespace if slash else "default", rest)
    if rest and (names.dns_subdomain(rest) or names.dns_label(key.namespace)):
        fields.wrong(name, f"must be a name or namespace/name, not {fields.raw[name]!r}")
    return key


def _parse_streams(fields: Fields) -> tuple[int, ...]:
    items = fields.items("streams")
    for index, item in enumerate(items):
        if not isinstance(item, int) or isinstance(item, bool) or not 1 <= item <= MAX_STREAMS:
            fields.wrong(f"streams[{index}]", f"must be a number from 1 to {MAX_STREAMS}, not {item!r}")
    return tuple(dict.fromkeys(items)) if items else DEFAULT_STREAMS


def _parse_flag(fields: Fields, name: str) -> bool:
    value = fields.take(name)
    if value is not None and not isinstance(value, bool):
        fields.wrong(name, f"must be true or false, not {value!r}")
    return value is not False
