"""The work queue: once each, in time, and ever less often what fails."""

from __future__ import annotations

import pytest

from k8sshim.controllers.workqueue import Item, WorkQueue
from k8sshim.objects import Key

pytestmark = pytest.mark.unit
A, B = (Item("replicaset", Key("default", name)) for name in "ab")


def test_an_item_comes_once_however_often_it_was_asked_for() -> None:
    queue = WorkQueue()
    for due in (3.0, 1.0, 2.0):
        queue.add(A, due)
    assert queue.next_due() == 1.0
    assert queue.take(0.9) is None
    assert queue.take(1.0) == A
    assert queue.take(99.0) is None and queue.next_due() is None


def test_first_come_first_served() -> None:
    queue = WorkQueue()
    queue.add(B, 1.0)
    queue.add(A, 1.0)
    assert [queue.take(1.0), queue.take(1.0)] == [B, A]


def test_what_fails_waits_longer_each_time_and_never_too_long() -> None:
    queue = WorkQueue()
    pauses = [queue.failed(A, 0.0, longest_s=5.0) for _ in range(40)]
    assert pauses[:4] == [0.05, 0.1, 0.2, 0.4]
    assert pauses[-1] == 5.0 == max(pauses)
    queue.succeeded(A)
    assert queue.failed(A, 0.0) == 0.05


def test_what_failed_may_be_asked_for_sooner() -> None:
    queue = WorkQueue()
    for _ in range(10):
        queue.failed(A, 0.0)
    queue.take(100.0)
    queue.failed(A, 100.0)
    queue.add(A, 101.0)
    assert queue.take(101.0) == A
