"""Rules for what makes pods: Deployment, ReplicaSet, ReplicationController, DaemonSet, StatefulSet and Job. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from k8sshim.errors import Problem
from k8sshim.selectors import EVERYTHING, Selector, raw_problems
from k8sshim.validation.field import Field
from k8sshim.validation.metadata import label_problems
from k8sshim.validation.pods import pod_spec_problems, weight_problems

_STRATEGIES = {
    "Deployment": ("strategy", ("RollingUpdate", "Recreate")),
    "DaemonSet": ("updateStrategy", ("RollingUpdate", "OnDelete")),
    "StatefulSet": ("updateStrategy", ("RollingUpdate", "OnDelete")),
}


def workload_problems(root: Field) -> Iterator[Problem]:
    """Selector, template and numbers of a workload."""
    kind, spec = root["kind"].text, root["spec"]
    for name in ("replicas", "minReadySeconds", "revisionHistoryLimit", "parallelism", "completions", "backoffLimit"):
        yield from spec[name].not_negative()
    if kind in _STRATEGIES:
        field, choices = _STRATEGIES[kind]
        yield from spec[field]["type"].one_of(*choices)
    if kind == "StatefulSet":
        yield from spec["podManagementPolicy"].one_of("OrderedReady", "Parallel")
    template = spec["template"]
    if template:
        yield from _template_problems(template, kind, _claims(spec))
        yield from _selector_problems(root, template)


def _template_problems(template: Field, kind: str, claims: frozenset[str]) -> Iterator[Problem]:
    yield from label_problems(template.at("metadata", "labels"))
    yield from weight_problems(template["metadata"])
    yield from pod_spec_problems(template["spec"], claims)
    policy = template.at("spec", "restartPolicy")
    if kind != "Job":
        yield from policy.one_of("Always")
    elif policy:
        yield from policy.one_of("OnFailure", "Never")
    else:
        yield policy.required("a Job needs OnFailure or Never")


def _claims(spec: Field) -> frozenset[str]:
    """The volumes that a StatefulSet makes for each of its pods."""
    return frozenset(claim.at("metadata", "name").text for claim in spec["volumeClaimTemplates"].elements())


def _selector_problems(root: Field, template: Field) -> Iterator[Problem]:
    """The workload must find its own pods again, and not everybody's."""
    selector, labels = root.at("spec", "selector"), template.at("metadata", "labels")
    if root["kind"].text == "Job" or not isinstance(selector.value, dict):
        return  # a Job's is made for it; a missing one is the schema's affair, and a ReplicationController may omit it
    wanted = _wanted(selector, plain=root["kind"].text == "ReplicationController")
    if not selector.value or wanted == EVERYTHING:
        yield selector.problem("is empty: it would select every pod of the namespace")
    elif wanted and not wanted.matches(labels.value if isinstance(labels.value, dict) else {}):
        yield labels.problem(f"do not match {selector.path} ({wanted})")


def _wanted(selector: Field, *, plain: bool) -> Selector | None:
    """The selector, or None where it has faults that others tell of."""
    if plain:
        return Selector.from_labels(selector.value) if _all_strings(selector) else None
    expressions = list(selector["matchExpressions"].elements())
    well_typed = _all_strings(selector["matchLabels"]) and all(
        entry["key"].text
        and entry["operator"].text
        and all(isinstance(value.value, str) for value in entry["values"].elements())
        for entry in expressions
    )
    if not well_typed or raw_problems(selector.value):
        return None
    return Selector.from_raw(selector.value)


def _all_strings(labels: Field) -> bool:
    return all(isinstance(value.value, str) for _, value in labels.entries())
