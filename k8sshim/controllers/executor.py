"""Does the writes, each in a thread of a small pool, and says what came of it.

A write is repeated here only where the plan need not change: while the server does not answer, a creation goes on
under the same name, so that one whose answer got lost is found instead of done twice. Everything else is for the next
plan to judge.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event

from k8sshim.client import Absent, Client, Unreachable
from k8sshim.controllers.world import controller_uid
from k8sshim.controllers.writes import Create, Delete, Look, Patch, Update, UpdateStatus, Write
from k8sshim.errors import Conflict, PodwireError
from k8sshim.objects import Raw

log = logging.getLogger(__name__)

_PAUSE_S = 0.2  # between tries to reach the server


@dataclass(frozen=True)
class Outcome:
    """What came of a write: the object as it is now (None: there is none, or nothing is known) and the error if any."""

    write: Write
    raw: Raw | None = None
    error: Exception | None = None
    gone: bool = False  # the object is known not to exist any more

    @property
    def conflict(self) -> bool:
        return isinstance(self.error, (Conflict, Absent))


class Executor:
    """`submit` never blocks; its `report` is called in a thread of the pool."""

    def __init__(self, client: Client, threads: int) -> None:
        self._client = client
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="write")
        self._stopping = Event()

    def submit(self, write: Write, report: Callable[[Outcome], None]) -> None:
        self._pool.submit(self._run, write, report)

    def stop(self) -> None:
        """Begin nothing more, and wait for what is under way."""
        self._stopping.set()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _run(self, write: Write, report: Callable[[Outcome], None]) -> None:
        try:
            outcome = self.perform(write)
        except PodwireError as error:
            outcome = Outcome(write, error=error)
        except Exception as error:  # whatever it is, it must come back as this write's failure, or its key would hang
            log.exception("%s %s", type(write).__name__, write.key)
            outcome = Outcome(write, error=error)
        report(outcome)

    def perform(self, write: Write) -> Outcome:
        """Do one write, in the caller's thread. Raises PodwireError."""
        if isinstance(write, Create):
            return self._create(write)
        if isinstance(write, Delete):
            return self._delete(write)
        if isinstance(write, Look):
            found = self._client.get(write.resource, write.key)
            return Outcome(write, found, gone=found is None)
        if isinstance(write, Patch):
            return self._change(write, lambda: self._client.patch(write.resource, write.key, write.patch))
        if isinstance(write, UpdateStatus):
            return self._change(write, lambda: self._client.update_status(write.resource, write.raw))
        return self._change(write, lambda: self._client.update(write.resource, write.raw))

    def _change(self, write: Update | UpdateStatus | Patch, change: Callable[[], Raw]) -> Outcome:
        try:
            return Outcome(write, change())
        except (Conflict, Absent) as error:
            fresh = self._client.get(write.resource, write.key)
            return Outcome(write, fresh, error, gone=fresh is None)

    def _create(self, write: Create) -> Outcome:
        while True:
            try:
                return Outcome(write, self._client.create(write.resource, write.raw))
            except Conflict as error:
                found = self._client.get(write.resource, write.key)
                ours = found is not None and (
                    write.exists_ok or controller_uid(found) == controller_uid(write.raw) != ""
                )
                return Outcome(write, found, None if ours else error)
            except Unreachable:
                if self._stopping.wait(_PAUSE_S):
                    raise

    def _delete(self, write: Delete) -> Outcome:
        return Outcome(write, gone=self._client.delete(write.resource, write.key) is None)
