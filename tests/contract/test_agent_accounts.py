"""The ServiceAccount volume: who gets one, what is in it, and that its token stays fresh."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from agent_world import FakeAgentApi, until

from k8sshim.client import Absent, Resource
from k8sshim.objects import Key, Raw
from topo.agent.accounts import Accounts
from topo.agent.podspec import PodSpec, parse
from topo.agent.reporter import Reporter
from topo.agent.workload import StartError

pytestmark = pytest.mark.contract


class TokenApi(FakeAgentApi):
    """ServiceAccounts, and tokens of them that have expired already: every look is due for a new one."""

    def __init__(self, **accounts: Raw) -> None:
        super().__init__()
        self.accounts = accounts
        self.asked: list[str] = []  # paths
        self.refuses = False

    def get(self, resource: Resource, key: Key) -> Raw | None:
        return self.accounts.get(key.name)

    def create(self, resource: Resource, raw: Raw) -> Raw:
        if self.refuses:
            raise Absent("the server has no such path")
        self.asked.append(resource.collection(raw["metadata"]["namespace"]))
        return {"status": {"token": f"token-{len(self.asked)}", "expirationTimestamp": "2020-01-01T00:00:00Z"}}


def pod(**spec: Any) -> PodSpec:
    return parse({"metadata": {"name": "p", "namespace": "shop", "uid": "u"}, "spec": spec})


def play(api: TokenApi, scene: Callable[[Accounts], Awaitable[None]]) -> None:
    async def everything() -> None:
        accounts = Accounts(api, Reporter(api, ThreadPoolExecutor(1)), "authority", retry_s=0.02)
        await scene(accounts)
        accounts.forget("u")

    asyncio.run(everything())


def test_a_pod_has_token_certificate_and_namespace_and_the_token_is_replaced(tmp_path: Path) -> None:
    api = TokenApi(default={})

    async def scene(accounts: Accounts) -> None:
        both = await asyncio.gather(accounts.mounted(pod(), tmp_path), accounts.mounted(pod(), tmp_path))
        assert both == [True, True]
        assert {path.name for path in tmp_path.iterdir()} == {"ca.crt", "namespace", "token"}
        assert ((tmp_path / "ca.crt").read_text(), (tmp_path / "namespace").read_text()) == ("authority", "shop")
        assert (tmp_path / "token").stat().st_mode & 0o777 == 0o644
        await until(lambda: (tmp_path / "token").read_text() == "token-3")
        accounts.forget("u")

    play(api, scene)
    assert set(api.asked) == {"/api/v1/namespaces/shop/serviceaccounts/default/token"}


@pytest.mark.parametrize(
    ("account", "automount", "mounted"),
    [
        ({}, None, True),
        ({"automountServiceAccountToken": False}, None, False),
        ({"automountServiceAccountToken": False}, True, True),
        ({"automountServiceAccountToken": True}, False, False),
    ],
)
def test_the_pod_has_the_last_word(tmp_path: Path, account: Raw, automount: bool | None, mounted: bool) -> None:
    async def scene(accounts: Accounts) -> None:
        spec = pod(serviceAccountName="robot", automountServiceAccountToken=automount)
        assert await accounts.mounted(spec, tmp_path / "volume") is mounted
        assert (tmp_path / "volume").is_dir() is mounted

    play(TokenApi(robot=account), scene)


def test_an_account_that_is_named_must_exist(tmp_path: Path) -> None:
    async def scene(accounts: Accounts) -> None:
        assert await accounts.mounted(pod(), tmp_path) is False
        with pytest.raises(StartError, match='serviceaccount "robot" not found'):
            await accounts.mounted(parse_other("robot"), tmp_path)

    play(TokenApi(), scene)


def parse_other(account: str) -> PodSpec:
    metadata = {"name": "other", "namespace": "shop", "uid": "v"}
    return parse({"metadata": metadata, "spec": {"serviceAccountName": account}})


def test_where_there_are_no_tokens_to_have_the_pod_runs_without(tmp_path: Path) -> None:
    async def scene(accounts: Accounts) -> None:
        assert await accounts.mounted(pod(), tmp_path / "volume") is False

    api = TokenApi(default={})
    api.refuses = True
    play(api, scene)
