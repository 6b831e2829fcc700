"""A client that makes more connections in a few seconds than it has ports: each gets an endpoint, at once."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator

import pytest
from handmade import Handmade
from settled import in_force

pytestmark = pytest.mark.netns
SERVICE = ("10.96.0.20", 80)
PORT = 8080
CONNECTIONS = 33_000  # Linux gives out some 28,000 ports; from then on each has been used before


@pytest.fixture(scope="module")
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Handmade]:
    """Two nodes; the client on the first, the server on the second."""
    handmade = Handmade(tmp_path_factory.mktemp("lab"), 2).begun(request)
    handmade.pod("client", 1, 2)
    server = handmade.pod("server", 2, 2)
    handmade.service("busy", SERVICE[0], {SERVICE[1]: "TCP"}, [(server.address, PORT)])
    handmade.programmed()
    in_force(handmade)
    argv = [sys.executable, "-m", "experiments.answerers", str(PORT), f"{server.netns}=server"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as answering:
        assert answering.stdout is not None
        assert answering.stdout.readline() == "ready\n"
        yield handmade
        answering.kill()


def test_none_of_its_connections_is_lost(lab: Handmade) -> None:
    calls = [[lab.hosts["client"].netns, *SERVICE, 0]] * CONNECTIONS
    asked = {"timeout_s": 30.0, "at_once": 32, "per_second": 0.0, "calls": calls}
    argv = [sys.executable, "-m", "experiments.calls"]
    done = subprocess.run(argv, input=json.dumps(asked), capture_output=True, text=True, check=True, timeout=300)
    answers = Counter(name for name, *_ in json.loads(done.stdout)["answers"])
    assert answers == {"server": CONNECTIONS}
