"""Environments and command lines: the expansion rules of the Kubernetes API."""

import pytest

from k8sshim.errors import PodwireError
from topo.agent import environment
from topo.agent.podspec import ContainerSpec, EnvVar, parse

pytestmark = pytest.mark.unit


def container(**raw: object) -> ContainerSpec:
    metadata = {"name": "p", "namespace": "default", "uid": "u1"}
    return parse({"metadata": metadata, "spec": {"containers": [{"name": "c", **raw}]}}).containers[0]


def variables(one: ContainerSpec, **given: object) -> dict[str, str]:
    fields, referred, services = (given.get(name) or {} for name in ("fields", "referred", "services"))
    return environment.variables(one, fields, referred, hostname="p", services=services)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$(NAME)", "web"),
        ("a$(NAME)b$(NAME)c", "awebbwebc"),
        ("$(MISSING)", "$(MISSING)"),
        ("$$(NAME)", "$(NAME)"),
        ("$$$(NAME)", "$web"),
        ("$NAME ${NAME}", "$NAME ${NAME}"),
        ("100$", "100$"),
        ("$(NAME", "$(NAME"),
    ],
)
def test_expansion(text: str, expanded: str) -> None:
    assert environment.expand(text, {"NAME": "web"}) == expanded


def test_a_variable_sees_those_defined_before_it_and_no_others() -> None:
    env = [{"name": "B", "value": "$(A)"}, {"name": "A", "value": "1"}, {"name": "C", "value": "$(A)$(B)"}]
    assert variables(container(env=env)) == {
        "PATH": environment.CONTAINER_PATH,
        "HOME": "/root",
        "HOSTNAME": "p",
        "A": "1",
        "B": "$(A)",
        "C": "1$(A)",
    }


def test_command_and_args_are_expanded_together() -> None:
    one = container(command=["echo", "$(WHO)"], args=["$(WHO)!", "$$(WHO)"], env=[{"name": "WHO", "value": "me"}])
    assert environment.argv(one, variables(one)) == ["echo", "me", "me!", "$(WHO)"]


def test_field_references() -> None:
    env = [{"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]
    assert variables(container(env=env), fields={"status.podIP": "10.0.0.1"})["IP"] == "10.0.0.1"


def test_labels_and_annotations_are_fields() -> None:
    metadata = {"name": "p", "namespace": "d", "uid": "u", "labels": {"app": "web"}, "annotations": {"a/b": "c"}}
    fields = dict(parse({"metadata": metadata, "spec": {"nodeName": "n1"}}).field_values)
    assert fields["metadata.labels['app']"] == "web"
    assert fields["metadata.annotations['a/b']"] == "c"
    assert fields["spec.nodeName"] == "n1"


def test_services_can_be_referred_to_and_give_way() -> None:
    env = [{"name": "URL", "value": "http://$(DB_SERVICE_HOST)/"}, {"name": "DB_SERVICE_PORT", "value": "1"}]
    got = variables(container(env=env), services={"DB_SERVICE_HOST": "10.96.0.7", "DB_SERVICE_PORT": "5432"})
    assert (got["URL"], got["DB_SERVICE_PORT"]) == ("http://10.96.0.7/", "1")


def test_config_maps_and_secrets() -> None:
    env = [
        {"name": "COLOR", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "color"}}},
        {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        {"name": "NONE", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "x", "optional": True}}},
    ]
    one = container(env=env, envFrom=[{"prefix": "P_", "configMapRef": {"name": "m"}}])
    assert environment.references(one) == {("configMap", "m"), ("secret", "s")}
    referred = {("configMap", "m"): {"color": "red", "no good": "1"}, ("secret", "s"): {"k": "v"}}
    got = variables(one, referred=referred)
    assert (got["COLOR"], got["KEY"], got["P_color"]) == ("red", "v", "red")
    assert "NONE" not in got
    assert "P_no good" not in got


@pytest.mark.parametrize(
    ("referred", "message"),
    [({}, "configMap m not found"), ({("configMap", "m"): {}}, "env X: configMap m has no key k")],
)
def test_a_reference_that_leads_nowhere(referred: dict[tuple[str, str], dict[str, str]], message: str) -> None:
    env = [{"name": "X", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "k"}}}]
    with pytest.raises(PodwireError, match=message):
        variables(container(env=env), referred=referred)


def test_env_var_without_value_is_empty() -> None:
    assert container(env=[{"name": "E"}]).env == (EnvVar("E"),)


@pytest.mark.parametrize(
    ("image", "ran"),
    [
        ("busybox", True),
        ("docker.io/library/busybox:1.36", True),
        ("localhost:5000/debian@sha256:0", True),
        ("nginx", False),
        ("busybox/nginx", False),
        ("", False),
    ],
)
def test_images_that_have_no_entrypoint_run_their_arguments(image: str, ran: bool) -> None:
    """ "kubectl run -i --rm x --image=busybox -- echo hi": the arguments are the command."""
    containers = [
        {"name": "a", "image": image, "args": ["echo", "hi"]},
        {"name": "b", "command": ["sh"], "args": ["x"]},
    ]
    metadata = {"name": "web", "namespace": "default", "uid": "u"}
    first, second = parse({"metadata": metadata, "spec": {"containers": containers}}).containers
    assert (first.command, first.args) == ((("echo", "hi"), ()) if ran else ((), ("echo", "hi")))
    assert (second.command, second.args) == (("sh",), ("x",))
