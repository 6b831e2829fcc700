"""Writes done: what counts as done, and what is said of the rest."""

from __future__ import annotations

import pytest
from fake_api import FakeApi, pod

from k8sshim.client import PODS, Unreachable
from k8sshim.controllers.executor import Executor, Outcome
from k8sshim.controllers.writes import Create, Delete, Look, Patch, Update, UpdateStatus
from k8sshim.objects import Key, Raw

pytestmark = pytest.mark.unit
A = Key("default", "a")


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


@pytest.fixture
def executor(api: FakeApi) -> Executor:
    return Executor(api, 1)  # type: ignore[arg-type]


def owned(uid: str) -> Raw:
    raw = pod("a")
    raw["metadata"]["ownerReferences"] = [{"uid": uid, "controller": True}]
    return raw


def test_a_creation_that_was_done_before_is_done(api: FakeApi, executor: Executor) -> None:
    api.create(PODS, owned("rs"))
    outcome = executor.perform(Create(PODS, owned("rs")))
    assert outcome.error is None and outcome.raw == api.get(PODS, A)


@pytest.mark.parametrize(("theirs", "ours"), [("other", "rs"), ("", "rs"), ("", "")])
def test_a_name_that_somebody_else_has_is_a_conflict(api: FakeApi, executor: Executor, theirs: str, ours: str) -> None:
    api.create(PODS, owned(theirs))
    outcome = executor.perform(Create(PODS, owned(ours)))
    assert outcome.conflict and outcome.raw == api.get(PODS, A)
    assert executor.perform(Create(PODS, owned(ours), exists_ok=True)).error is None


def test_a_creation_whose_answer_got_lost_is_not_done_twice(api: FakeApi, executor: Executor) -> None:
    create, calls = api.create, list[Raw]()

    def losing(resource: object, raw: Raw) -> Raw:
        calls.append(raw)
        answer = create(PODS, raw)
        if len(calls) == 1:
            raise Unreachable("no answer")
        return answer

    api.create = losing  # type: ignore[method-assign]
    outcome = executor.perform(Create(PODS, owned("rs")))
    assert outcome.error is None and len(calls) == 2
    assert len(api.list(PODS)[0]) == 1


@pytest.mark.parametrize("kind", [Update, UpdateStatus])
def test_a_stale_update_brings_the_fresh_object(api: FakeApi, executor: Executor, kind: type[Update]) -> None:
    stale = api.create(PODS, pod("a"))
    fresh = api.patch(PODS, A, {"metadata": {"labels": {"x": "y"}}})
    outcome = executor.perform(kind(PODS, stale))
    assert outcome.conflict and outcome.raw == fresh and not outcome.gone


def test_changes_of_what_is_gone_say_so(executor: Executor) -> None:
    for write in (Update(PODS, pod("a")), Patch(PODS, A, {}), Look(PODS, A)):
        assert executor.perform(write).gone


def test_deletions(api: FakeApi, executor: Executor) -> None:
    made = api.create(PODS, pod("a"))
    delete = Delete(PODS, A, made["metadata"]["uid"])
    assert executor.perform(delete) == Outcome(delete)
    assert executor.perform(delete) == Outcome(delete, gone=True)
