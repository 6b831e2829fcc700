"""The one reconcile loop: events and answers in, plans made, writes out.

Everything that is known and everything that is planned belongs to the loop's thread; informers and the executor's
threads only put messages into its inbox. A key is never planned while writes of its last plan are under way, and
their answers are in the world by the time it is planned again: a plan always sees what the one before it did.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from queue import Empty, SimpleQueue
from typing import Protocol

from k8sshim.client import EVENTS, Added, Client, Deleted, Event, Informer, Modified, Resource, Unreachable
from k8sshim.client.recorder import Recorder
from k8sshim.controllers.executor import Executor, Outcome
from k8sshim.controllers.telling import told_of
from k8sshim.controllers.workqueue import LONGEST_BACK_OFF_S, Item, WorkQueue
from k8sshim.controllers.world import Change, World
from k8sshim.controllers.writes import Create, Delete, Look, Plan, Write
from k8sshim.objects import Key, Raw

log = logging.getLogger(__name__)

WRITERS = 6  # threads
WINDOW = 12  # writes of one plan under way at a time, so that a large plan does not keep the others waiting
PLANS = 16  # under way at a time: what is planned late sees all that changed while it waited, in one write
PATIENT_S = 0.5  # a controller that gathers for so long gives way to the others
PATIENT_PLANS = 2  # of such controllers under way at a time
LONGEST_REST_S = 0.5  # a key whose plan took long rests as long before the next, and gathers what comes meanwhile
CONFIRM_AFTER_S = 10.0
_COMPONENTS = {"scheduler": "default-scheduler"}  # as events name them, where that is not NAME-controller
_UNREACHABLE_BACK_OFF_S = 1.0


@dataclass(frozen=True)
class Surroundings:
    """What a plan may know beside the objects: time and randomness."""

    now: datetime
    suffix: Callable[[], str]  # a new ending for a pod's name


class Controller(Protocol):
    """One controller: which of its keys a change concerns, and what is to be written for a key."""

    @property
    def name(self) -> str: ...

    @property
    def delay_s(self) -> float:
        """How long changes of other objects are gathered before a plan."""
        ...

    def affected(self, change: Change, world: World) -> Iterable[Key]: ...

    def plan(self, key: Key, world: World, around: Surroundings) -> Plan: ...


@dataclass
class _Flight:
    """A plan whose writes are under way."""

    plan: Plan
    stages: deque[tuple[Write, ...]]
    waiting: deque[Write] = field(default_factory=deque)
    under_way: int = 0
    errors: list[Exception] = field(default_factory=list)
    began: float = 0.0
    asked_again: bool = False
    urgently: bool = False


class Loop:
    """Runs controllers against an API server until `stop`."""

    def __init__(
        self,
        client: Client,
        controllers: Sequence[Controller],
        resources: Sequence[Resource],
        *,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
        suffix: Callable[[], str],
    ) -> None:
        self._client = client
        self._controllers = {controller.name: controller for controller in controllers}
        self._world = World(resources)
        self._executor = Executor(client, WRITERS)
        self._recorders = {
            name: Recorder(_COMPONENTS.get(name, f"{name}-controller"), lambda: clock().timestamp())
            for name in self._controllers
        }
        self._queue, self._patient_queue = WorkQueue(), WorkQueue()
        self._flights: dict[Item, _Flight] = {}
        self._rests_until: dict[Item, float] = {}
        self._unsynced = set(resources)
        self._inbox: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._clock, self._monotonic, self._suffix = clock, monotonic, suffix
        self._stopping = False
        self._confirm_at = 0.0
        self._to_confirm: set[tuple[Resource, Key]] = set()

    def stop(self) -> None:
        """Ask the loop to end; from any thread, or a signal handler."""
        self._inbox.put(self._stop)

    def run(self) -> None:
        """Follow the API server until `stop`."""
        informers = [Informer(self._client, each, partial(self._receive, each)) for each in self._world.resources()]
        for informer in informers:
            informer.start()
        try:
            while not self._stopping:
                self._take_messages()
                self._start_due()
        finally:
            for informer in informers:
                informer.stop()
            self._executor.stop()

    def _stop(self) -> None:
        self._stopping = True

    def _receive(self, resource: Resource, event: Event) -> None:
        """Called in an informer's thread."""
        self._inbox.put(partial(self._on_event, resource, event))

    def _take_messages(self) -> None:
        """Wait for a message or for the next due key, then take all messages that are there."""
        due = min((at for queue in self._open_queues() if (at := queue.next_due()) is not None), default=None)
        timeout = 1.0 if due is None else min(max(due - self._monotonic(), 0.0), 1.0)
        try:
            message = self._inbox.get(timeout=timeout)
            while True:
                self._handle(message)
                message = self._inbox.get_nowait()
        except Empty:
            return

    def _handle(self, message: Callable[[], None]) -> None:
        try:
            message()
        except Exception:  # one odd object must not end the controllers of all others
            log.exception("cannot take in %s", message)

    def _on_event(self, resource: Resource, event: Event) -> None:
        if isinstance(event, (Added, Modified)):
            self._changed(self._world.observe(resource, event.raw))
        elif isinstance(event, Deleted):
            self._changed(self._world.gone(resource, Key.of(event.raw), event.raw["metadata"].get("uid") or ""))
        else:
            self._unsynced.discard(resource)

    def _changed(self, change: Change | None) -> None:
        if change is None:
            return
        now = self._monotonic()
        for controller in self._controllers.values():
            try:
                for key in controller.affected(change, self._world):
                    self._ask(Item(controller.name, key), now, urgently=key == change.key)
            except Exception:  # the other controllers must hear of it all the same
                log.exception("%s: cannot tell what %s %s concerns", controller.name, change.resource.kind, change.key)

    def _ask(self, item: Item, now: float, *, urgently: bool) -> None:
        """Have a key planned: at once where the object itself changed, else together with what changes meanwhile."""
        flight = self._flights.get(item)
        if flight is not None:
            flight.asked_again, flight.urgently = True, flight.urgently or urgently
            return
        gathered = max(now + self._controllers[item.controller].delay_s, self._rests_until.get(item, 0.0))
        self._queue_of(item).add(item, now if urgently else gathered)

    def _may_start(self) -> bool:
        return not self._unsynced and len(self._flights) < PLANS

    def _open_queues(self) -> tuple[WorkQueue, ...]:
        """The queues of which a plan may be started now."""
        if not self._may_start():
            return ()
        patient = sum(self._is_patient(item) for item in self._flights)
        return (self._patient_queue, self._queue) if patient < PATIENT_PLANS else (self._queue,)

    def _is_patient(self, item: Item) -> bool:
        return self._controllers[item.controller].delay_s >= PATIENT_S

    def _queue_of(self, item: Item) -> WorkQueue:
        return self._patient_queue if self._is_patient(item) else self._queue

    def _take(self, now: float) -> Item | None:
        return next((item for queue in self._open_queues() if (item := queue.take(now)) is not None), None)

    def _start_due(self) -> None:
        """Start plans until news come: they may concern what is still to be planned."""
        now = self._monotonic()
        if now >= self._confirm_at and not self._unsynced:
            self._confirm_at = now + CONFIRM_AFTER_S
            self._confirm()
            self._rests_until = {item: until for item, until in self._rests_until.items() if until > now}
        while (item := self._take(now)) is not None:
            self._start(item)
            if not self._inbox.empty():
                return

    def _start(self, item: Item) -> None:
        controller, began = self._controllers[item.controller], self._monotonic()
        try:
            plan = controller.plan(item.key, self._world, Surroundings(self._clock(), self._suffix))
        except Exception:  # a key that cannot be planned is tried again; the others go on
            again_s = self._queue_of(item).failed(item, self._monotonic())
            log.exception("%s: cannot be planned; again in %.2f s", item, again_s)
            return
        flight = self._flights[item] = _Flight(plan, deque(plan.stages), began=began)
        self._advance(item, flight)

    def _advance(self, item: Item, flight: _Flight) -> None:
        """Begin as many writes as the window allows; the next stage, or the end, where a stage is done."""
        while not flight.waiting and not flight.under_way and flight.stages and not flight.errors:
            flight.waiting.extend(flight.stages.popleft())
        while flight.waiting and flight.under_way < WINDOW:
            flight.under_way += 1
            write = flight.waiting.popleft()
            self._executor.submit(write, partial(self._report, item, flight, self._before(write)))
        if not flight.under_way:
            self._finish(item, flight)

    def _report(self, item: Item, flight: _Flight, before: Raw | None, outcome: Outcome) -> None:
        """Called in a thread of the executor."""
        self._inbox.put(partial(self._on_outcome, item, flight, before, outcome))

    def _on_outcome(self, item: Item, flight: _Flight, before: Raw | None, outcome: Outcome) -> None:
        flight.under_way -= 1
        self._learn(outcome)
        if outcome.error is None:
            self._tell(item, outcome.write, before)
        if outcome.error is not None:
            self._complain(item, outcome)
            flight.errors.append(outcome.error)
            if not flight.plan.independent:
                flight.waiting.clear()
        self._advance(item, flight)

    def _before(self, write: Write) -> Raw | None:
        """An object as it is known before it is written: what watches tell of a write may come before its answer."""
        return self._world.get(write.resource, write.key) if write.resource in self._world.resources() else None

    def _tell(self, item: Item, write: Write, before: Raw | None) -> None:
        """Tell people of a write; nothing waits for that, and nothing comes of its failure."""
        for told in told_of(write, before, self._world):
            event = self._recorders[item.controller].event(told)
            if event is not None:
                self._executor.submit(Create(EVENTS, event), lambda _: None)

    def _learn(self, outcome: Outcome) -> None:
        write = outcome.write
        if isinstance(write, Delete) and outcome.error is None and not outcome.gone:
            now = self._clock().strftime("%Y-%m-%dT%H:%M:%SZ")
            self._changed(self._world.deleting(write.resource, write.key, write.uid, now))
        elif outcome.raw is not None:
            self._changed(self._world.written(write.resource, outcome.raw))
        elif outcome.gone:
            known = self._world.get(write.resource, write.key) if write.resource in self._world.resources() else None
            if known is not None:
                self._changed(self._world.gone(write.resource, write.key, known["metadata"].get("uid") or ""))

    def _complain(self, item: Item, outcome: Outcome) -> None:
        level = logging.DEBUG if outcome.conflict else logging.WARNING
        verb, kind = type(outcome.write).__name__, outcome.write.resource.kind
        log.log(level, "%s: %s of %s %s: %s", item, verb, kind, outcome.write.key, outcome.error)

    def _finish(self, item: Item, flight: _Flight) -> None:
        del self._flights[item]
        now, queue = self._monotonic(), self._queue_of(item)
        if flight.errors:
            unreachable = isinstance(flight.errors[-1], Unreachable)
            queue.failed(item, now, _UNREACHABLE_BACK_OFF_S if unreachable else LONGEST_BACK_OFF_S)
        else:
            queue.succeeded(item)
        self._rests_until[item] = now + min(now - flight.began, LONGEST_REST_S)
        if flight.asked_again:
            self._ask(item, now, urgently=flight.urgently)
        if flight.plan.again_after_s is not None:
            queue.add(item, now + flight.plan.again_after_s)

    def _confirm(self) -> None:
        """Look up objects that no informer has confirmed since the last time: deleted, perhaps, in a gap between
        watches."""
        unconfirmed = set(self._world.unconfirmed())
        for resource, key in unconfirmed & self._to_confirm:
            self._executor.submit(Look(resource, key), lambda outcome: self._inbox.put(partial(self._learn, outcome)))
        self._to_confirm = unconfirmed
