"""Volumes whose content the API gives, and hooks: what is read of a pod, and which files come of it."""

from __future__ import annotations

import pytest

from k8sshim.errors import PodwireError
from topo.agent.podspec import parse as parse_pod
from topo.agent.volumes import contents, parse, references

pytestmark = pytest.mark.unit

DATA = {("configMap", "conf"): {"a": "1", "b": "2"}, ("secret", "pw"): {"key": "geheim"}}
FIELDS = {"metadata.name": "web", "metadata.labels['b']": 'say "x"', "metadata.labels['a']": "1"}


def volume(**source: object) -> dict[str, str]:
    [(_, parts)] = parse([{"name": "v", **source}]).items()
    return contents(parts, DATA, FIELDS)


def test_files_of_config_maps_secrets_and_fields() -> None:
    assert volume(configMap={"name": "conf"}) == {"a": "1", "b": "2"}
    assert volume(configMap={"name": "conf", "items": [{"key": "a", "path": "x/y"}]}) == {"x/y": "1"}
    assert volume(secret={"secretName": "pw"}) == {"key": "geheim"}
    items = [
        {"path": "name", "fieldRef": {"fieldPath": "metadata.name"}},
        {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
    ]
    assert volume(downwardAPI={"items": items}) == {"name": "web", "labels": 'a="1"\nb="say \\"x\\""'}
    projected = {"sources": [{"configMap": {"name": "conf"}}, {"secret": {"name": "pw"}}, {"downwardAPI": {}}]}
    assert volume(projected=projected) == {"a": "1", "b": "2", "key": "geheim"}


def test_what_is_not_there_and_what_leads_out() -> None:
    assert volume(configMap={"name": "none", "optional": True}) == {}
    for source, message in (
        ({"configMap": {"name": "none"}}, 'configMap "none" not found'),
        ({"configMap": {"name": "conf", "items": [{"key": "z", "path": "z"}]}}, "has no key z"),
        ({"configMap": {"name": "conf", "items": [{"key": "a", "path": "../a"}]}}, "leads out of its volume"),
    ):
        with pytest.raises(PodwireError, match=message):
            volume(**source)
    assert references(parse([{"name": "v", "configMap": {"name": "conf"}}])["v"]) == {("configMap", "conf")}
    assert parse([{"name": "v", "emptyDir": {}}]) == {}


def test_mounts_and_hooks_of_a_container() -> None:
    hooks = {"postStart": {"exec": {"command": ["true"]}}, "preStop": {"sleep": {"seconds": 3}}}
    mounts = [{"name": "conf", "mountPath": "/etc/x", "subPath": "a"}, {"name": "tmp", "mountPath": "/data"}]
    container = {"name": "main", "lifecycle": hooks, "volumeMounts": mounts}
    volumes = [{"name": "conf", "configMap": {"name": "conf"}}, {"name": "tmp", "emptyDir": {}}]
    spec = {"containers": [container], "volumes": volumes, "nodeName": "n1", "hostNetwork": True}
    pod = parse_pod({"metadata": {"name": "web", "namespace": "default", "uid": "u"}, "spec": spec})
    [main] = pod.containers
    assert main.scratch == (("tmp", "/data"),)
    assert [(each.volume, each.path, each.sub_path) for each in main.mounts] == [("conf", "/etc/x", "a")]
    assert main.post_start and main.post_start.command == ("true",)
    assert main.pre_stop and (main.pre_stop.kind, main.pre_stop.timeout_s) == ("sleep", 3.0)
