"""The policy recipes of ahmetb/kubernetes-network-policy-recipes, unmodified: what their pages say comes true.

By real packets, to Services as on the pages. Where a page deploys a recipe beside another one, so does the test.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest
from cluster import Namespace, Raw, pod, service
from laboratory import MANIFESTS, Laboratory, RunningLab
from netpol.model import ANSWERED, SILENT
from netpol.probing import Probe
from netpol.settling import settle
from netpol_lab import Placed, Prober, placed

pytestmark = pytest.mark.e2e
FOLDER = MANIFESTS / "network-policy-recipes"
HOST, HOST_NETNS, HOST_ADDRESS = "HOST", "outside", "203.0.113.2"

PODS: dict[str, list[tuple[str, dict[str, str], tuple[int, ...]]]] = {  # by namespace: name, labels, ports
    "default": [
        ("web", {"app": "web", "env": "prod"}, (80,)),
        ("bookstore-api", {"app": "bookstore", "role": "api"}, (80,)),
        ("frontend", {"app": "bookstore", "role": "frontend"}, ()),
        ("search", {"app": "bookstore", "role": "search"}, ()),
        ("catalog", {"app": "inventory", "role": "web"}, ()),
        ("db", {"app": "bookstore", "role": "db"}, (6379,)),
        ("apiserver", {"app": "apiserver"}, (8000, 5000)),
        ("monitor", {"role": "monitoring"}, ()),
        ("typed", {"type": "monitoring"}, ()),
        ("foo", {"app": "foo"}, ()),
        ("plain", {}, ()),
    ],
    "prod": [("client", {"app": "client"}, (80,))],
    "dev": [("client", {}, ())],
    "other": [("client", {}, ()), ("typed", {"type": "monitoring"}, ())],
}
NAMESPACE_LABELS = {
    "prod": {"purpose": "production"},
    "dev": {"purpose": "testing"},
    "other": {"team": "operations"},
}
SERVICES: dict[str, list[Raw]] = {
    "default": [
        service("web", {"app": "web"}, {"port": 80}, type="LoadBalancer"),
        service("bookstore-api", {"role": "api"}, {"port": 80}, type="LoadBalancer"),
        service("db", {"role": "db"}, {"port": 6379}),
        service("apiserver", {"app": "apiserver"}, {"name": "http", "port": 8001, "targetPort": 8000},
                {"name": "metrics", "port": 5001, "targetPort": 5000}),
    ],
    "prod": [service("client", {"app": "client"}, {"port": 80})],
}  # fmt: skip


@dataclass(frozen=True)
class Recipe:
    """What a recipe's page says of it: who reaches whom, as "source target:port"."""

    files: tuple[str, ...]
    reached: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    resolves: tuple[str, ...] = ()  # pods that are answered by cluster DNS
    does_not_resolve: tuple[str, ...] = ()
    does_not_ping: tuple[str, ...] = ()  # the outside host

    def __str__(self) -> str:
        return self.files[-1]


DENY_ALL = "03-deny-all-non-whitelisted-traffic-in-the-namespace"
RECIPES = [
    Recipe(
        ("01-deny-all-traffic-to-an-application",),
        reached=("plain bookstore-api:80", "web bookstore-api:80"),
        dropped=("plain web:80", "prod/client web:80"),
    ),
    Recipe(
        ("02-limit-traffic-to-an-application",),
        reached=("frontend bookstore-api:80", "plain web:80"),
        dropped=("plain bookstore-api:80", "prod/client bookstore-api:80"),
    ),
    Recipe(
        ("01-deny-all-traffic-to-an-application", "02a-allow-all-traffic-to-an-application"),
        reached=("plain web:80", "prod/client web:80"),
    ),
    Recipe(
        (DENY_ALL,),
        reached=("plain prod/client:80",),
        dropped=("plain web:80", "prod/client web:80", "frontend bookstore-api:80", "HOST web:80"),
    ),
    Recipe(
        ("04-deny-traffic-from-other-namespaces",),
        reached=("plain web:80", "plain bookstore-api:80", "plain prod/client:80"),
        dropped=("prod/client web:80", "other/typed bookstore-api:80"),
    ),
    Recipe(
        (DENY_ALL, "05-allow-traffic-from-all-namespaces"),
        reached=("plain web:80", "prod/client web:80", "other/typed web:80"),
        dropped=("plain bookstore-api:80", "prod/client bookstore-api:80", "HOST web:80"),
    ),
    Recipe(
        ("06-allow-traffic-from-a-namespace",),
        reached=("prod/client web:80", "dev/client bookstore-api:80"),
        dropped=("dev/client web:80", "plain web:80"),
    ),
    Recipe(
        ("07-allow-traffic-from-some-pods-in-another-namespace",),
        reached=("other/typed web:80",),
        dropped=("plain web:80", "typed web:80", "other/client web:80"),
    ),
    Recipe(
        (DENY_ALL, "08-allow-external-traffic"),
        reached=("HOST web:80", "plain web:80", "prod/client web:80"),
        dropped=("HOST bookstore-api:80", "plain bookstore-api:80"),
    ),
    Recipe(
        ("09-allow-traffic-only-to-a-port",),
        reached=("monitor apiserver:5001", "plain web:80"),
        dropped=("plain apiserver:8001", "plain apiserver:5001", "monitor apiserver:8001"),
    ),
    Recipe(
        ("10-allowing-traffic-with-multiple-selectors",),
        reached=("catalog db:6379", "search db:6379", "bookstore-api db:6379", "plain web:80"),
        dropped=("plain db:6379", "frontend db:6379", "web db:6379", "prod/client db:6379"),
    ),
    Recipe(
        ("11-deny-egress-traffic-from-an-application-1",),
        reached=("plain web:80", "plain HOST:80"),
        dropped=("foo web:80", "foo HOST:80"),
        resolves=("plain",),
        does_not_resolve=("foo",),
    ),
    Recipe(
        ("11-deny-egress-traffic-from-an-application-2",),
        reached=("plain web:80",),
        dropped=("foo web:80", "foo HOST:80", "foo prod/client:80"),
        resolves=("plain", "foo"),
        does_not_ping=("foo",),
    ),
    Recipe(
        ("12-deny-all-non-whitelisted-traffic-from-the-namespace",),
        reached=("prod/client web:80", "HOST web:80"),
        dropped=("plain web:80", "plain HOST:80", "foo prod/client:80"),
        resolves=("prod/client",),
        does_not_resolve=("plain", "web"),
    ),
    Recipe(  # the page's transcript reaches `web`, which an earlier version of its manifest allowed, and this does not
        ("14-deny-external-egress-traffic",),
        reached=("plain HOST:80", "plain web:80"),
        dropped=("foo HOST:80", "foo web:80"),
        resolves=("foo",),
    ),
]


@dataclass(frozen=True)
class Kitchen:
    """The lab that all recipes are tried in."""

    lab: RunningLab
    prober: Prober
    pods: dict[str, Placed]
    addresses: dict[str, str]  # of Services: "namespace/name" to cluster IP, and "HOST namespace/name" to that outside

    def outcomes(self, asked: Sequence[str], timeout_s: float) -> dict[str, str]:
        """What becomes of each "source target:port"."""
        probes = [self._probe(*one.split()) for one in asked]
        return dict(zip(asked, self.prober.attempt(probes, timeout_s), strict=True))

    def _probe(self, source: str, target: str) -> Probe:
        name, _, port = target.partition(":")
        if name == HOST:
            address = HOST_ADDRESS
        else:
            address = self.addresses[f"HOST {full(name)}" if source == HOST else full(name)]
        netns = HOST_NETNS if source == HOST else self.pods[full(source)].netns
        return Probe(netns, address, int(port), "TCP")

    def resolves(self, source: str) -> bool:
        """Whether it learns the address of `web` from cluster DNS."""
        argv = ["dig", "+short", "+time=2", "+tries=2", "web.default.svc.cluster.local"]
        return self.lab.exec(full(source), *argv).stdout.strip() == self.addresses["default/web"]

    def pings(self, source: str) -> bool:
        return self.lab.exec(full(source), "ping", "-c1", "-W3", HOST_ADDRESS).returncode == 0

    def come_true(self, recipe: Recipe) -> None:
        """Wait until all is as its page says, and silence lasts."""
        expected = {**dict.fromkeys(recipe.reached, ANSWERED), **dict.fromkeys(recipe.dropped, SILENT)}

        def amiss(timeout_s: float) -> str:
            found = self.outcomes(list(expected), timeout_s)
            return "; ".join(f"{one}: {said}" for one, said in found.items() if said != expected[one])

        settle(amiss)


def full(name: str) -> str:
    return name if "/" in name else f"default/{name}"


@pytest.fixture(scope="module")
def kitchen(laboratory: Laboratory) -> Iterator[Kitchen]:
    if not FOLDER.is_dir():
        pytest.skip("the policy recipes are not beside the checkout")
    lab = laboratory.up("recipes")
    namespaces = [Namespace(lab, name) for name in PODS]
    for one in namespaces:
        fill(one)
    pods: dict[str, Placed] = {}
    addresses: dict[str, str] = {}
    for one in namespaces:
        one.ready(*(name for name, _, _ in PODS[one.name]))
        pods |= placed(one)
        addresses |= service_addresses(one)
    prober = Prober.start(lab)
    yield Kitchen(lab, prober, pods, addresses)
    prober.stop()


def fill(namespace: Namespace) -> None:
    """Its pods and Services; and itself where it is not there from the beginning."""
    if namespace.name in NAMESPACE_LABELS:
        metadata = {"name": namespace.name, "labels": NAMESPACE_LABELS[namespace.name]}
        namespace.create({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    pods = [
        pod(name, *((f"p{port}", port, "TCP") for port in ports), labels=labels)
        for name, labels, ports in PODS[namespace.name]
    ]
    namespace.create(*pods, *SERVICES.get(namespace.name, ()))


def service_addresses(namespace: Namespace) -> dict[str, str]:
    found: dict[str, str] = {}
    for raw in SERVICES.get(namespace.name, ()):
        name = raw["metadata"]["name"]
        if raw["spec"].get("type") == "LoadBalancer":
            there = "--for=jsonpath={.status.loadBalancer.ingress[0].ip}"
            namespace.kubectl("wait", f"service/{name}", there, "--timeout=20s")
            ingress = namespace.get("service", name)["status"]["loadBalancer"]["ingress"]
            found[f"HOST {namespace.name}/{name}"] = ingress[0]["ip"]
        found[f"{namespace.name}/{name}"] = namespace.get("service", name)["spec"]["clusterIP"]
    return found


@pytest.fixture
def clean(kitchen: Kitchen) -> Iterator[Kitchen]:
    """The lab, with no policy in it."""
    yield kitchen
    kitchen.lab.kubectl("delete", "networkpolicies", "--all", "--all-namespaces")


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
def test_a_recipe_does_what_its_page_says(clean: Kitchen, recipe: Recipe) -> None:
    before = Recipe((), reached=(*recipe.reached, *recipe.dropped))
    clean.come_true(before)  # it is the recipe that makes the difference
    assert all(map(clean.resolves, (*recipe.resolves, *recipe.does_not_resolve)))
    assert all(map(clean.pings, recipe.does_not_ping))
    for file in recipe.files:
        clean.lab.kubectl("apply", "-n", "default", "-f", str(FOLDER / f"{file}.yaml"))
    clean.come_true(recipe)
    assert all(map(clean.resolves, recipe.resolves))
    assert not any(map(clean.resolves, recipe.does_not_resolve))
    assert not any(map(clean.pings, recipe.does_not_ping))


def test_every_recipe_is_tried() -> None:
    if not FOLDER.is_dir():
        pytest.skip("the policy recipes are not beside the checkout")
    tried = {file for recipe in RECIPES for file in recipe.files}
    assert tried == {path.stem for path in FOLDER.glob("*.yaml")}
