"""Calls between real namespaces: who answered, from which port, at which pace, and nobody where nobody listens."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.netns

SCRIPT = """
import json, subprocess, sys, time
from experiments.calls import Call, call

def run(*argv): subprocess.run(argv, check=True)
run("ip", "netns", "add", "a"); run("ip", "netns", "add", "b")
run("ip", "link", "add", "eth0", "netns", "a", "type", "veth", "peer", "name", "eth0", "netns", "b")
for name, host in (("a", 1), ("b", 2)):
    run("ip", "-n", name, "addr", "add", f"198.18.0.{host}/24", "dev", "eth0")
    run("ip", "-n", name, "link", "set", "eth0", "up")
server = subprocess.Popen([sys.executable, "-m", "experiments.answerers", "8080", "b=bob"], stdout=subprocess.PIPE)
assert server.stdout.readline() == b"ready\\n"
there = "198.18.0.2"
many = call([Call("a", there, 8080, port) for port in range(2000, 2200)] * 2, 2.0, 32)
closed, nowhere = call([Call("a", there, 81), Call("no-such", there, 8080)], 2.0, 2)
begin = time.monotonic()
paced = call([Call("a", there, 8080)] * 20, 2.0, 8, per_second=50)
awaited = subprocess.run([sys.executable, "-m", "experiments.awaiting", "a", "5", "bob", f"{there}:8080"],
                         capture_output=True, text=True).stdout.split()
print(json.dumps({
    "names": sorted({one.name or "" for one in many}), "lost": sum(not one.answered for one in many),
    "times": all(0 < one.connect_us <= one.answer_us for one in many),
    "closed": closed.answered, "nowhere": nowhere.answered,
    "paced_s": time.monotonic() - begin, "paced": sum(one.answered for one in paced), "awaited": awaited,
}))
server.kill()
"""


def test_calls_are_answered_by_name() -> None:
    argv = [sys.executable, "-m", "lab.sandbox", "--", sys.executable, "-c", SCRIPT]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["names"] == ["bob"]
    assert told["lost"] == 0, "each source port was used twice"
    assert told["times"]
    assert not told["closed"]
    assert not told["nowhere"]
    assert told["paced"] == 20
    assert told["paced_s"] >= 19 / 50
    assert told["awaited"][0] == "ready"
    assert float(told["awaited"][1]) > 0
