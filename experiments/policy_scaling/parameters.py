"""The parameters of the experiment `policy-scale`: how many policies and peers, beside what, how often read. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from experiments.reading_fields import integers, key, words
from k8sshim.objects import Key, Raw
from topo.fields import Fields

NAME = "policy-scale"
PODWIRE, KUBE_ROUTER = "podwire", "kube-router"
BESIDE = (KUBE_ROUTER,)
POLICIES = (0, 10, 100, 1000, 5000)
PEERS = (10, 100, 1000, 10_000)
MAX_POLICIES, MAX_PEERS = 20_000, 20_000


@dataclass(frozen=True)
class PolicyScaling:
    """The experiment's parameters."""

    client: Key  # the pod that may
    stranger: str  # a pod that may not; as all pods below, in the client's namespace
    guarded: str  # a pod that no policy is about but those whose coming is timed
    servers: str  # the label `app` of the pods that policies are about
    policies: tuple[int, ...] = POLICIES  # numbers of policies, one after the other
    policy_peers: tuple[int, ...] = PEERS  # numbers of peers of a single policy, one after the other
    first_packets: int = 20  # connections one by one, with nothing cached
    connections: int = 1000  # of one burst
    changes: int = 10  # policies that come, at each size
    newcomers: int = 5  # pods that come, at each size
    beside: tuple[str, ...] = BESIDE

    def to_raw(self) -> Raw:
        """As the scenario has them."""
        return {
            "client": str(self.client),
            "stranger": self.stranger,
            "guarded": self.guarded,
            "servers": self.servers,
            "policies": list(self.policies),
            "policyPeers": list(self.policy_peers),
            "firstPackets": self.first_packets,
            "connections": self.connections,
            "changes": self.changes,
            "newcomers": self.newcomers,
            "beside": list(self.beside),
        }

    @property
    def systems(self) -> tuple[str, ...]:
        """Everything that is measured at each size."""
        return (PODWIRE, *self.beside)


def of(parameters: object) -> PolicyScaling:
    """The parameters of a scenario that is known to be of this kind."""
    assert isinstance(parameters, PolicyScaling)
    return parameters


def parse(fields: Fields) -> PolicyScaling:
    """The parameters, defaults filled in; problems are noted in the fields."""
    parsed = PolicyScaling(
        client=key(fields, "client"),
        stranger=fields.required("stranger") or "",
        guarded=fields.required("guarded") or "",
        servers=fields.required("servers") or "",
        policies=tuple(sorted(integers(fields, "policies", POLICIES, 0, MAX_POLICIES))),
        policy_peers=tuple(sorted(integers(fields, "policyPeers", PEERS, 1, MAX_PEERS))),
        first_packets=fields.integer("firstPackets", PolicyScaling.first_packets, 1, 10_000),
        connections=fields.integer("connections", PolicyScaling.connections, 1, 100_000),
        changes=fields.integer("changes", PolicyScaling.changes, 1, 1000),
        newcomers=fields.integer("newcomers", PolicyScaling.newcomers, 1, 1000),
        beside=words(fields, "beside", BESIDE),
    )
    fields.close()
    return parsed
