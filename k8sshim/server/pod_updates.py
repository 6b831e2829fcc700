"""What an update of a pod may change, as `ValidatePodUpdate` of Kubernetes has it. Pure.

Beside what Kubernetes allows, a pod that has no node may be given one: so podwire's scheduler binds pods.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from k8sshim.errors import Problem
from k8sshim.validation.field import Field

_FORBIDDEN = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
_LISTS = ("containers", "initContainers")
_JUDGED = {*_LISTS, "activeDeadlineSeconds", "tolerations"}  # field by field
_OWN_WAYS = {"nodeName", "ephemeralContainers"}
_SECONDS = "tolerationSeconds"
_AMOUNTS = {"requests", "limits"}
_FACTORS = (
    {"": Decimal(1)}
    | {letter: Decimal(1000) ** power for power, letter in enumerate("num", -3)}
    | {letter: Decimal(1000) ** power for power, letter in enumerate("kMGTPE", 1)}
    | {f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", 1)}
)


def changed(old: Field, new: Field) -> Iterator[Problem]:
    """A problem for each thing in which two versions of a pod differ and may not."""
    before, after = old["spec"], new["spec"]
    others = sorted(_changed_names(before, after))
    for name in _LISTS:
        containers = list(zip(before[name].elements(), after[name].elements(), strict=False))
        if len(before[name].value or ()) != len(after[name].value or ()):
            yield after[name].forbidden("pod updates may not add or remove containers")
            return
        if any(_without_image(one.value) != _without_image(other.value) for one, other in containers):
            others.append(name)
        for one, other in containers:
            if one["image"].text and not other["image"].text:
                yield other["image"].required()
    yield from _deadline(before["activeDeadlineSeconds"], after["activeDeadlineSeconds"])
    yield from _tolerations(before["tolerations"], after["tolerations"])
    if others:
        yield after.forbidden(f"{_FORBIDDEN}; changed: {', '.join(others)}")


def _changed_names(old: Field, new: Field) -> Iterator[str]:
    before, after = old.value or {}, new.value or {}
    for name in {*before, *after} - _JUDGED - _OWN_WAYS:
        if _said(before.get(name)) != _said(after.get(name)):
            yield name
    if old["nodeName"].text not in ("", new["nodeName"].text):
        yield "nodeName"


def _without_image(container: Any) -> Any:
    return _said({name: value for name, value in (container or {}).items() if name != "image"})


def _deadline(old: Field, new: Field) -> Iterator[Problem]:
    """It may come, and come nearer."""
    if old.number is None:
        return
    if new.number is None:
        yield new.invalid("must not update from a positive integer to nil value")
    elif new.number > old.number:
        yield new.invalid(f"must be less than or equal to {old.number}")


def _tolerations(old: Field, new: Field) -> Iterator[Problem]:
    kept = [_toleration(each) for each in new.value or ()]
    if any(_toleration(each) not in kept for each in old.value or ()):
        yield new.forbidden("existing toleration can not be modified except its tolerationSeconds")


def _toleration(raw: Any) -> Any:
    return _said({name: value for name, value in raw.items() if name != _SECONDS} if isinstance(raw, dict) else raw)


def _said(value: Any) -> Any:
    """A value without what clients may leave out as easily as say it: Go writes nothing for what is empty, and amounts
    in a way of its own (500m for 0.5)."""
    if isinstance(value, dict):
        left = {name: _amounts(each) if name in _AMOUNTS else _said(each) for name, each in value.items()}
        return {name: each for name, each in left.items() if each not in (None, "", False, [], {})} or None
    return [_said(each) for each in value] or None if isinstance(value, list) else value or None


def _amounts(value: Any) -> Any:
    return {name: _amount(str(each)) for name, each in value.items()} if isinstance(value, dict) else value


def _amount(text: str) -> Decimal | str:
    """A quantity as a number; what is none as it is."""
    number = text.rstrip("numkKMGTPEi")
    factor = _FACTORS.get(text[len(number) :])
    try:
        return text if factor is None else (Decimal(number) * factor).normalize()
    except ArithmeticError:
        return text
