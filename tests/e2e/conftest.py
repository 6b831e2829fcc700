"""Labs for end-to-end tests: one home for all, labs shared by name, logs shown where a test fails."""

from __future__ import annotations

import os
import re
import subprocess
import zlib
from collections.abc import Iterator

import pytest
from cluster import Namespace, pod
from laboratory import Laboratory, Podwire, RunningLab

from lab import sandbox

_running: list[Laboratory] = []


def _no_sandbox() -> str:
    """Why no lab can run here; "" where one can."""
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return "no permission to open /dev/net/tun"
    done = subprocess.run(sandbox.create_argv(["true"]), capture_output=True, text=True, check=False)
    return done.stderr.strip() if done.returncode else ""


@pytest.fixture(scope="session")
def laboratory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratory]:
    """Brings labs up by name; they are shared between tests, and go down at the end."""
    if reason := _no_sandbox():
        pytest.skip(f"no lab can run here: {reason}")
    one = Laboratory(Podwire(tmp_path_factory.mktemp("podwire")))
    _running.append(one)
    yield one
    _running.remove(one)
    one.close()


@pytest.fixture(scope="session")
def podwire(laboratory: Laboratory) -> Podwire:
    """The command line, on the laboratory's home."""
    return laboratory.podwire


@pytest.fixture(scope="session")
def lab(laboratory: Laboratory) -> RunningLab:
    """The default lab: three nodes, nothing in it. Tests that add pods use names of their own."""
    return laboratory.up("shared")


@pytest.fixture(scope="session")
def quiet(laboratory: Laboratory) -> RunningLab:
    """A lab to be looked at whole: in the shared one pods of an earlier test may be ending still."""
    return laboratory.up("quiet")


@pytest.fixture(scope="session")
def conformance(laboratory: Laboratory) -> RunningLab:
    """The lab of Kubernetes' conformance tests, each in a namespace of its own."""
    return laboratory.up("conformance")


@pytest.fixture
def ns(conformance: RunningLab, request: pytest.FixtureRequest) -> Iterator[Namespace]:
    """A namespace of the test's own, with a client in it."""
    words = re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_").lower())
    name = f"{words[:40].strip('-')}-{zlib.crc32(words.encode()):08x}"
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    namespace = Namespace(conformance, name)
    namespace.create(manifest)
    namespace.create(pod("execpod"))
    namespace.ready("execpod")
    yield namespace
    conformance.kubectl("delete", "namespace", name, "--wait=false")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Experiments first: they take longest, and one worker would be alone with them at the end."""
    items.sort(key=lambda item: not item.path.name.startswith("test_run"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.failed:
        for laboratory in _running:
            for lab in laboratory.labs.values():
                report.sections.append((f"logs of lab {lab.name}", lab.log_tails()))
