"""Labs on disk: who may have a name, who is alive, what is tidied."""

from __future__ import annotations

import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from k8sshim.errors import BadInput, NotFound
from lab import state
from lab.state import RUNNING, Claim, Lab

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PODWIRE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def running(name: str) -> tuple[Claim, Lab]:
    claim = state.claim(name)
    lab = Lab(name, claim.folder, os.getpid(), "2026-01-01T00:00:00+00:00", ("node1", "node2"), RUNNING)
    state.write(lab)
    return claim, lab


def test_a_held_lab_is_listed_as_written() -> None:
    claim, lab = running("one")
    assert state.labs() == [lab]
    assert state.find("one") == lab
    claim.release()


def test_a_dead_lab_is_tidied_away_with_all_its_files() -> None:
    claim, lab = running("one")
    (claim.folder / "log").mkdir()
    (claim.folder / "log" / "agent.log").write_text("last words")
    claim.release()
    assert state.labs() == []
    assert list(lab.folder.parent.iterdir()) == []


def test_a_lab_that_is_being_started_is_not_tidied() -> None:
    claim = state.claim("young")
    assert [(lab.name, lab.state, lab.pid) for lab in state.labs()] == [("young", state.STARTING, 0)]
    claim.release()


@pytest.mark.parametrize("text", ["{", "[]", "{}", "7", '{"pid": -1}', '{"pid": "1"}', '{"pid": 1, "nodes": 3}'])
def test_what_somebody_wrote_over_a_labs_facts_is_not_believed(text: str) -> None:
    claim, lab = running("one")
    facts = lab.folder / "lab.json"
    written = json.loads(text) if text != "{" else None
    if isinstance(written, dict):
        text = json.dumps({"started": "", "nodes": [], "state": RUNNING, **written} if written else {})
    facts.write_text(text)
    assert [(lab.name, lab.pid) for lab in state.labs()] == [("one", 0)]
    claim.release()


def test_a_folder_that_cannot_be_used_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "labs" / "one" / "lock").mkdir(parents=True)
    with pytest.raises(BadInput, match=r"^cannot use .*/labs/one/lock: Is a directory"):
        state.labs()
    monkeypatch.setenv("PODWIRE_HOME", "/proc/no-such-folder")
    with pytest.raises(BadInput, match=r"^cannot use /proc/no-such-folder: "):
        state.claim("one")


def test_a_file_in_a_labs_place_is_named(home: Path) -> None:
    (home / "labs").mkdir(parents=True)
    (home / "labs" / "one").touch()
    with pytest.raises(BadInput, match=r"^cannot use .*/labs/one: File exists"):
        state.claim("one")


def test_a_folder_that_is_tidied_away_while_it_is_looked_at_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """`mkdir` finds a folder there, and when it looks whether it is one, nothing."""
    mkdir, in_vain = Path.mkdir, iter([True])

    def racing(path: Path, **how: Any) -> None:
        if path.name == "one" and next(in_vain, False):
            raise FileExistsError(17, "File exists", str(path))
        mkdir(path, **how)

    monkeypatch.setattr(Path, "mkdir", racing)
    state.claim("one").release()


def test_a_process_that_took_over_the_pid_does_not_keep_a_lab_alive() -> None:
    claim, _ = running("one")  # with this very process' id, which goes on living
    claim.release()
    assert state.labs() == []


def test_a_name_in_use_is_refused_in_one_line() -> None:
    claim, _ = running("one")
    with pytest.raises(BadInput, match=r'^cluster name "one" is in use') as caught:
        state.claim("one")
    assert len(caught.value.problems) == 1
    claim.release()


def test_the_lab_lives_on_while_another_process_holds_the_lock() -> None:
    claim, lab = running("one")
    inherited = os.dup(claim.descriptor)
    claim.release()
    assert state.alive(lab.folder)
    assert not state.remove(lab.folder)
    os.close(inherited)
    assert not state.alive(lab.folder)


def test_of_many_that_want_a_name_one_wins() -> None:
    def attempt(_: int) -> Claim | None:
        try:
            return state.claim("wanted")
        except BadInput:
            return None

    with ThreadPoolExecutor(8) as pool:
        winners = [claim for claim in pool.map(attempt, range(8)) if claim]
    assert len(winners) == 1
    winners[0].release()


def test_who_tidies_never_takes_a_new_lab_away() -> None:
    """`ls` in a loop beside labs that come and go: a claimed folder stays until it is released."""
    with ThreadPoolExecutor(1) as pool:
        looking = [pool.submit(state.labs) for _ in range(50)]
        for round_ in range(50):
            claim, lab = running("busy")
            (claim.folder / "mark").write_text(str(round_))
            assert (lab.folder / "mark").read_text() == str(round_)
            assert state.alive(lab.folder)
            claim.release()
        assert all(one.exception() is None for one in looking)


def test_a_new_lab_finds_nothing_of_the_dead_one() -> None:
    claim, lab = running("one")
    (claim.folder / "store.sqlite").write_text("old")
    (claim.folder / "pki").mkdir()
    claim.release()
    again = state.claim("one")
    assert [entry.name for entry in lab.folder.iterdir()] == ["lock"]
    again.release()


def test_only_the_owner_may_look_into_a_lab(home: Path) -> None:
    claim = state.claim("private")
    modes = {stat.S_IMODE(folder.stat().st_mode) for folder in (home, home / "labs", claim.folder)}
    assert modes == {0o700}
    claim.release()


def test_an_unknown_lab_is_told_with_those_that_run() -> None:
    first, _ = running("b")
    second, _ = running("a")
    with pytest.raises(NotFound, match=r'^lab "x" not found; running: a, b$'):
        state.find("x")
    first.release()
    second.release()


@pytest.mark.parametrize("name", ["", "..", "a/b", "Upper", "-a", "a" * 64, "a b"])
def test_a_name_that_is_no_name_is_refused(name: str, home: Path) -> None:
    with pytest.raises(BadInput, match=r"^lab name "):
        state.claim(name)
    assert not home.exists()


def test_a_home_that_cannot_be_made_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PODWIRE_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(BadInput, match="PODWIRE_HOME"):
        state.claim("one")
