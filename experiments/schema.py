"""The published shape of run.json (JSON Schema 2020-12), and the check of a record against it. Pure.

`python -m experiments.schema` prints the schema; docs/run.schema.json is that output, and a test holds them together.
"""

from __future__ import annotations

import json
from typing import Any

from jsonschema import Draft202012Validator

from experiments.results import SCHEMA_VERSION, Run, check_version, from_json
from k8sshim.errors import BadInput, Problem
from k8sshim.objects import Raw

_SHOWN = 5  # problems of one file
_TEXT: Raw = {"type": "string"}
_COUNT: Raw = {"type": "integer", "minimum": 0}
_SHARE: Raw = {"type": "number", "minimum": 0, "maximum": 1}
_DURATION: Raw = {"type": "number", "minimum": 0}


def _closed(properties: Raw, optional: Raw | None = None, **more: Any) -> Raw:
    """An object that has these properties, all that are not optional, and no others."""
    return {
        "type": "object",
        "properties": properties | (optional or {}),
        "required": list(properties),
        "additionalProperties": False,
        **more,
    }


_LABELS: Raw = {
    "type": "object",
    "description": "path and floor, locality, protocol, streams, percentile: what the value was measured on",
    "properties": {
        "path": {"enum": ["pod-to-pod", "pod-to-service", "node-to-pod", "outside-to-service", "floor"]},
        "floor": {"enum": ["veth", "linux-bridge", "ovs-normal"]},
        "locality": {"enum": ["same-node", "cross-node"]},
        "protocol": {"enum": ["TCP", "UDP", "SCTP"]},
        "streams": {"type": "integer", "minimum": 1},
        "percentile": {"type": "number", "minimum": 0, "maximum": 100},
    },
    "additionalProperties": {"type": ["string", "integer"]},
}

_SAMPLE = _closed(
    {"metric": _TEXT, "unit": _TEXT, "value": {"type": "number"}, "repetition": _COUNT, "labels": _LABELS},
    description="One measured value.",
)
_MACHINE = _closed(
    {
        "cores_busy": {**_SHARE, "description": "share of all cores' time that was not idle"},
        "pressure": {
            "type": ["number", "null"],
            "description": "share of the time in which some task waited for a processor (/proc/pressure/cpu)",
        },
        "run_queue": {**_DURATION, "description": "runnable tasks on average"},
        "late_ms": {**_DURATION, "description": "how late a clock of the experiment's own woke up at worst"},
    },
    optional={
        "softirq": {
            "type": ["number", "null"],
            "description": "share of all cores' time in which the kernel moved packets and ran timers",
        },
        "drops": {
            "type": ["integer", "null"],
            "description": "packets that the kernel's receive queues were too full for (/proc/net/softnet_stat)",
        },
    },
    description="What the machine did during the reading.",
)
_READING = _closed(
    {
        "order": _COUNT,
        "metric": _TEXT,
        "repetition": _COUNT,
        "labels": _LABELS,
        "started_s": _DURATION,
        "seconds": _DURATION,
        "attempts": {"type": "integer", "minimum": 1},
        "command": {"type": "array", "items": _TEXT},
        "machine": _MACHINE,
    },
    description="One run of a traffic tool, in the order they were taken; its samples have its repetition and labels.",
)
_FAILURE = _closed(
    {
        "metric": _TEXT,
        "repetition": _COUNT,
        "labels": _LABELS,
        "attempt": {"type": "integer", "minimum": 1},
        "message": {**_TEXT, "description": "in the tool's own words"},
    },
    description="A reading that a tool did not give.",
)

SCHEMA: Raw = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "podwire run.json",
    "description": "Everything one run of a scenario measured. Plots and reports are made from this file alone.",
    **_closed(
        {
            "schemaVersion": {"const": SCHEMA_VERSION},
            "id": _TEXT,
            "started": {**_TEXT, "description": "UTC, ISO 8601"},
            "finished": _TEXT,
            "scenario": {
                "type": "object",
                "description": "the scenario as run, the command line's overrides applied",
                "properties": {
                    "metadata": {"type": "object", "properties": {"name": _TEXT}, "required": ["name"]},
                    "spec": {"type": "object", "required": ["experiment", "repetitions"]},
                },
                "required": ["apiVersion", "kind", "metadata", "spec"],
            },
            "inputs": {
                "type": "array",
                "description": "files that the scenario names: the path as given, the content's SHA-256",
                "items": _closed({"path": _TEXT, "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"}}),
            },
            "seeds": _closed({"order": {"type": "integer"}}),
            "samples": {"type": "array", "items": _SAMPLE},
            "readings": {"type": "array", "items": _READING},
            "failures": {"type": "array", "items": _FAILURE},
            "environment": {
                "type": "object",
                "description": "the machine and the lab: values by name, or by group and name",
                "additionalProperties": {"type": ["string", "number", "boolean", "null", "object", "array"]},
            },
        }
    ),
}


def read(raw: Any, file: str) -> Run:
    """The run that a record tells of. Raises BadInput with what is wrong, one line each."""
    check_version(raw, file)
    errors = sorted(
        Draft202012Validator(SCHEMA).iter_errors(raw), key=lambda error: list(map(str, error.absolute_path))
    )
    if errors:
        raise BadInput(*(Problem(error.message[:300], file=file, field=_path(error)) for error in errors[:_SHOWN]))
    return from_json(raw)


def _path(error: Any) -> str:
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.absolute_path)
    return "".join(steps).lstrip(".")


if __name__ == "__main__":
    print(json.dumps(SCHEMA, indent=2))
