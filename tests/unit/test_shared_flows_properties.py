"""Policies change at random while bridges answer late, in any order, and are lost: what they hold at every moment."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import pytest
from bridges_at_work import EVERYBODY, LONGEST_S, X, Y, lived, peers, ports
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packet_sets import BRIDGES, PLACES, PORTS

from k8sshim.policies import Action, Block, Rule

pytestmark = pytest.mark.unit
CASES = 3_000 if os.environ.get("CI") else 800
NODE, HALF = Block.of("10.244.1.0/24"), Block.of("10.244.0.0/16", ["10.244.2.3/32"])
PEERS = st.sampled_from([None, peers(EVERYBODY), peers(X), peers(Y), peers(NODE), peers(X, HALF)])
WAYS = st.sampled_from([None, ports(80), ports(81), ports(80, 81), ports(80, last=81), ports("web")])
RULE = st.builds(Rule, st.sampled_from(Action), PEERS, WAYS)
RULES = st.none() | st.lists(RULE, max_size=3).map(tuple)
NAME, SUBJECT = st.sampled_from(["p", "p", "q", "first", "default"]), st.sampled_from([EVERYBODY, X, Y])
DIRECTION, AT_PLACE = st.sampled_from(["ingress", "egress"]), st.integers(0, 3)
POLICY = st.tuples(st.just("policy"), NAME, SUBJECT, RULES, RULES)
WHO = st.tuples(st.sampled_from("ab"), st.sampled_from(["x", "y", ""]), st.sampled_from(PORTS))
EVENT = st.one_of(
    POLICY,
    st.tuples(st.just("no policy"), NAME),
    st.tuples(
        st.just("edit"), NAME, DIRECTION, st.sampled_from(["insert", "replace", "remove", "swap"]), AT_PLACE, RULE
    ),
    st.tuples(
        st.just("edit"), NAME, DIRECTION, st.sampled_from(["insert", "replace", "remove", "swap"]), AT_PLACE, RULE
    ),
    st.tuples(st.just("pod"), st.integers(0, len(PLACES) - 1), st.none() | WHO),
    st.tuples(st.just("pod"), st.integers(0, len(PLACES) - 1), WHO),
    st.tuples(st.just("lose"), st.sampled_from(BRIDGES)),
)
TURN = st.tuples(
    st.lists(EVENT, min_size=1, max_size=3), st.sampled_from([0.0, 0.005, 0.02, 0.035, 0.06, 0.12, LONGEST_S])
)


@settings(max_examples=CASES, suppress_health_check=list(HealthCheck))
@given(
    start=st.lists(POLICY, max_size=3),
    turns=st.lists(TURN, min_size=1, max_size=5),
    delays=st.lists(st.integers(0, 90), min_size=1, max_size=7),
)
def test_what_bridges_hold_while_policies_change(
    start: Sequence[Any], turns: Sequence[tuple[Sequence[Any], float]], delays: Sequence[int]
) -> None:
    lived(start, turns, delays)
