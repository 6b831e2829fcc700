"""`python -m k8sshim.controllers --kubeconfig FILE`: runs the controllers until SIGTERM."""

from __future__ import annotations

import argparse
import logging
import random
import signal
import sys
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from k8sshim import client
from k8sshim.controllers.accounts import Accounts
from k8sshim.controllers.aggregation import CLUSTER_ROLES, Aggregation
from k8sshim.controllers.cron import CRON_JOBS, CronJobs
from k8sshim.controllers.daemons import Daemons
from k8sshim.controllers.deployments import Deployments
from k8sshim.controllers.disruptions import BUDGETS, Disruptions
from k8sshim.controllers.history import REVISIONS
from k8sshim.controllers.jobs import JOBS, Jobs
from k8sshim.controllers.load_balancers import LoadBalancers
from k8sshim.controllers.loop import Controller, Loop
from k8sshim.controllers.mirroring import Mirror
from k8sshim.controllers.nodes import NodeLifecycle
from k8sshim.controllers.pods import SUFFIX_ALPHABET
from k8sshim.controllers.replicas import Replicas
from k8sshim.controllers.scheduler import Scheduler
from k8sshim.controllers.services import Endpoints, Slices
from k8sshim.controllers.stateful import Stateful
from k8sshim.errors import BadInput, PodwireError

FOLLOWED = (
    client.CLUSTERS,
    client.NAMESPACES,
    client.SERVICE_ACCOUNTS,
    client.NODES,
    client.LEASES,
    client.SERVICES,
    client.DEPLOYMENTS,
    client.REPLICA_SETS,
    client.REPLICATION_CONTROLLERS,
    client.DAEMON_SETS,
    client.STATEFUL_SETS,
    client.ENDPOINT_SLICES,
    client.ENDPOINTS,
    BUDGETS,
    JOBS,
    CRON_JOBS,
    REVISIONS,
    CLUSTER_ROLES,
    client.PODS,
)


def controllers() -> list[Controller]:
    """All controllers. Those that many wait for come first: a change concerns them in this order."""
    return [
        Accounts(),
        NodeLifecycle(),
        Scheduler(),
        Slices(),
        Mirror(),
        Deployments(),
        Replicas(client.REPLICA_SETS, "replicaset"),
        Replicas(client.REPLICATION_CONTROLLERS, "replicationcontroller"),
        Daemons(),
        Stateful(),
        LoadBalancers(),
        Disruptions(),
        Jobs(),
        CronJobs(),
        Endpoints(),
        Aggregation(),
    ]


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m k8sshim.controllers", description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    try:
        run(client.Client(parser.parse_args(argv).kubeconfig))
    except PodwireError as error:
        print(error, file=sys.stderr)
        return 2 if isinstance(error, BadInput) else 1
    return 0


def run(api: client.Client) -> None:
    """Run the controllers until SIGTERM or SIGINT."""
    letters = random.Random()  # noqa: S311 - names of pods are no secrets
    loop = Loop(
        api,
        controllers(),
        FOLLOWED,
        clock=lambda: datetime.now(timezone.utc),
        monotonic=time.monotonic,
        suffix=lambda: "".join(letters.choices(SUFFIX_ALPHABET, k=5)),
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: loop.stop())
    loop.run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
