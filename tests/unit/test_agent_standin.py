"""What a stand-in says: to HTTP, to anything else, and on which ports."""

import json

import pytest

from k8sshim.errors import BadInput
from k8sshim.objects import ContainerPort
from topo.agent.answers import Identity, Protocol, datagram, recognise, written
from topo.agent.conversation import Conversation
from topo.agent.listening import PortTaken, families_of, ports_of
from topo.agent.podspec import PodSpec, parse
from topo.agent.runtime import taken_message

pytestmark = pytest.mark.unit

WHO = Identity("web-1", "shop", "node1", "web", "10.244.0.2", "web")


def conversation() -> Conversation:
    return Conversation(WHO, ("10.244.0.9", 40000), ("10.244.0.2", 8080))


@pytest.mark.parametrize(
    ("received", "protocol"),
    [
        (b"GET / HTTP/1.1\r\n", Protocol.HTTP),
        (b"PROPFIND /x HTTP/1.0\r\nHost: a\r\n\r\n", Protocol.HTTP),
        (b"M-SEARCH * HTTP/1.1\r\n", Protocol.HTTP),
        (b"GE", Protocol.UNDECIDED),
        (b"GET /long", Protocol.UNDECIDED),
        (b"GET / HTTP/1.1\r", Protocol.UNDECIDED),
        (b"GET / HTTP/2.0\r\n", Protocol.OTHER),
        (b"PING\r\n", Protocol.OTHER),
        (b"hello", Protocol.OTHER),
        (b"*1\r\n$4\r\nPING\r\n", Protocol.OTHER),
        (b"\x16\x03\x01", Protocol.OTHER),
        (b"G" * 20000, Protocol.OTHER),
        (b"GET /" + b"x" * 20_000, Protocol.UNDECIDED),
        (b"GET /" + b"x" * 70_000, Protocol.OTHER),
    ],
)
def test_recognition(received: bytes, protocol: Protocol) -> None:
    assert recognise(received) is protocol


def test_a_long_request_that_comes_in_parts_is_answered() -> None:
    talk, request = conversation(), b"GET /" + b"x" * 30_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n"
    assert talk.receive(request[:20_000]) == (b"", False)
    answer, closing = talk.receive(request[20_000:])
    assert answer.startswith(b"HTTP/1.1 200") and not closing


def split(answer: bytes) -> tuple[str, dict[str, str], bytes]:
    head, _, rest = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    return first, {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}, rest


def test_an_answer_says_who_and_what() -> None:
    answer, closing = conversation().receive(b"GET /a?b=c HTTP/1.1\r\nHost: web.shop\r\n\r\n")
    first, headers, body = split(answer)
    assert (first, headers["content-type"], closing) == ("HTTP/1.1 200 OK", "application/json", False)
    assert int(headers["content-length"]) == len(body)
    assert json.loads(body) == {
        "pod": "web-1",
        "namespace": "shop",
        "node": "node1",
        "container": "web",
        "hostname": "web",
        "address": "10.244.0.2",
        "port": 8080,
        "local": {"address": "10.244.0.2", "port": 8080},
        "client": {"address": "10.244.0.9", "port": 40000},
        "method": "GET",
        "path": "/a?b=c",
        "host": "web.shop",
    }


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/hostname", b"web"),
        ("/hostName?x=1", b"web"),
        ("/clientip", b"10.244.0.9:40000"),
        ("/healthz", b""),
        ("/echo?msg=a%20b&x=c", b"a b"),
        ("/echo", b""),
    ],
)
def test_paths_that_agnhost_knows(path: str, text: bytes) -> None:
    answer, _ = conversation().receive(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    first, headers, body = split(answer)
    assert (first, headers["content-type"], body) == ("HTTP/1.1 200 OK", "text/plain; charset=utf-8", text)


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (b"hostname", b"web"),
        (b"hostName\n", b"web"),
        (b"clientip", b"10.244.0.9:40000"),
        (b"echo Hello there\n", b"Hello there"),
        (b"echo", b""),
        (b"?", b"web-1"),
        (b"", b"web-1"),
        (b"echoes", b"web-1"),
    ],
)
def test_datagrams(said: bytes, answer: bytes) -> None:
    assert datagram(WHO, ("10.244.0.9", 40000), said) == answer


def test_addresses_as_one_word() -> None:
    assert (written(("10.0.0.1", 80)), written(("fd00::1", 80))) == ("10.0.0.1:80", "[fd00::1]:80")


def test_who_is_leaving_says_so_with_the_last_answer() -> None:
    one = conversation()
    assert one.idle
    assert one.receive(b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na")[1] is False
    assert not one.idle
    one.leaving = True
    answer, closing = one.receive(b"b")
    assert split(answer)[1]["connection"] == "close"
    assert closing


def test_head_has_the_length_and_no_body() -> None:
    answer, _ = conversation().receive(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
    _, headers, body = split(answer)
    assert int(headers["content-length"]) > 0
    assert body == b""


def test_keep_alive_and_pipelining() -> None:
    one = conversation()
    request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    answer, closing = one.receive(request + request)
    assert (answer.count(b"200 OK"), closing) == (2, False)
    answer, closing = one.receive(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert (answer.count(b"200 OK"), closing) == (1, True)


def test_http_1_0_closes() -> None:
    assert conversation().receive(b"GET / HTTP/1.0\r\n\r\n")[1] is True


def test_bodies_are_read_before_the_answer() -> None:
    one = conversation()
    assert one.receive(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab") == (b"", False)
    answer, _ = one.receive(b"c\r\n0\r\n\r\n")
    assert b'"method": "POST"' in answer


def test_a_client_that_waits_for_100_gets_it() -> None:
    one = conversation()
    head = b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    assert one.receive(head)[0].startswith(b"HTTP/1.1 100")
    assert b"200 OK" in one.receive(b"ab")[0]


def test_what_is_no_http_after_all_is_refused() -> None:
    answer, closing = conversation().receive(b"GET / HTTP/1.1\r\nbad header\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400")
    assert closing


def test_the_end_of_the_stream_closes() -> None:
    assert conversation().receive(b"") == (b"", True)


def pod(*containers: dict[str, object], host_network: bool = False) -> PodSpec:
    spec = {"nodeName": "node1", "containers": list(containers), "hostNetwork": host_network}
    return parse({"metadata": {"name": "p", "namespace": "d", "uid": "u"}, "spec": spec})


def test_a_probe_tells_of_a_port_that_nobody_declared() -> None:
    web = {"name": "web", "ports": [{"containerPort": 80}], "readinessProbe": {"httpGet": {"port": 8080}}}
    spec = pod(web)
    assert ports_of(spec, spec.containers[0]) == (ContainerPort("", 80, "TCP"), ContainerPort("", 8080, "TCP"))


def test_a_probe_of_another_containers_port_binds_nothing() -> None:
    spec = pod(
        {"name": "a", "readinessProbe": {"tcpSocket": {"port": 80}}}, {"name": "b", "ports": [{"containerPort": 80}]}
    )
    assert ports_of(spec, spec.containers[0]) == ()


def test_families_follow_the_addresses() -> None:
    assert [family.name for family in families_of(["10.0.0.1", "fd00::1"])] == ["AF_INET", "AF_INET6"]


def test_who_has_the_port_is_named() -> None:
    both = ({"name": "a", "ports": [{"containerPort": 80}]}, {"name": "b", "ports": [{"containerPort": 80}]})
    spec, error = pod(*both), PortTaken(ContainerPort("", 80, "TCP"))
    assert taken_message(spec, spec.containers[1], error) == "port 80/TCP is already bound by container a of this pod"
    alone = pod(both[0], host_network=True)
    assert (
        taken_message(alone, alone.containers[0], error) == "port 80/TCP is already bound on node node1 (hostNetwork)"
    )


@pytest.mark.parametrize("uid", ["../x", "a/b", "", "a..b", ".hidden"])
def test_names_that_could_leave_their_folder_are_refused(uid: str) -> None:
    with pytest.raises(BadInput, match="cannot be used as a name"):
        parse({"metadata": {"name": "p", "namespace": "d", "uid": uid}, "spec": {}})
