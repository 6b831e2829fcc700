"""Tables as they are printed where no terminal limits their width."""

from __future__ import annotations

import pytest

from cli.tables import print_diagnosis, print_services, print_table
from k8sshim.objects import Key, Service, ServicePort
from lab.doctor import Diagnosis, Finding
from lab.tracing.counters import EndpointUse, PortUse, ServiceUse

pytestmark = pytest.mark.unit


def test_names_with_brackets_are_no_markup_and_nothing_is_a_dash(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("name", "pods"), [{"name": "[red]x[/red]", "pods": None}])
    assert capsys.readouterr().out.splitlines()[1].split() == ["[red]x[/red]", "-"]


def test_what_a_machine_lacks_is_told_in_whole_lines(capsys: pytest.CaptureFixture[str]) -> None:
    lacking = Finding("netem", False, "unknown", "no delay", "a kernel with it")
    print_diagnosis(Diagnosis((Finding("cores", True, "2"), lacking), True))
    header, has, lacks, told, verdict = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert (header, has, lacks) == (["feature", "detail"], ["✓", "cores", "2"], ["✗", "netem", "unknown"])
    assert " ".join(told) == "✗ without netem: no delay; to get it: a kernel with it"
    assert verdict[:2] == ["a", "lab"]


def test_services_fit_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    port, named = ServicePort("http", "TCP", 80, "web", 30080), ServicePort("", "UDP", 53, "dns", 0)
    one = Service(Key("shop", "web"), "LoadBalancer", ("10.96.0.2",), (port, named), (), False, affinity_s=60)
    endpoint = EndpointUse("10.244.0.2", 8080, "pod shop/web-1 on node1", "node1", "not ready", 1)
    ports = PortUse(port, (endpoint,), True, 1, 1234, 5), PortUse(named, (), False, 0, 0, 0)
    away = Service(Key("shop", "away"), "ExternalName", (), (), (), False, external_name="www.example.com")
    print_services([ServiceUse(one, ports), ServiceUse(away, ())])
    assert capsys.readouterr().out.splitlines() == [
        "shop/web  LoadBalancer  10.96.0.2, pending  affinity 60 s",
        "  80:30080/TCP  http  0 of 1 ready  1 connection  1.2 kB in, 5 B out",
        "    10.244.0.2:8080        not ready         1  pod shop/web-1 on node1",
        '  53/UDP  no pod has a port "dns"  0 connections  0 B in, 0 B out',
        "shop/away  ExternalName  www.example.com",
    ]
