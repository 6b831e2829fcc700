"""The page `docs/pipeline.md`, written from the tables themselves: `python -m controller.pipeline` prints it.

Which feature writes which stage is found out by having the features write the flows of a small cluster. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from . import features, marks
from .desired import Desired
from .example import objects
from .flows import Flow
from .marks import Feature
from .tables import FABRIC_TABLES, NODE_TABLES, Table

HEAD = """# The pipeline

Written by `python -m controller.pipeline` from `controller/tables.py`, `controller/marks.py` and the features; a test
checks that it is current. Table numbers may change; everybody speaks of stages by name.
"""


def page() -> str:
    """The whole page, in Markdown."""
    written = writers()
    parts = [
        HEAD,
        "## Stages of a node bridge\n",
        _stages(NODE_TABLES, written),
        "## Stages of a fabric switch\n",
        _stages(FABRIC_TABLES, written),
        "## Features\n\nA feature turns intents into flows; its number is the highest 8 bits of its flows' cookies.\n",
        _table(("number", "feature", "is"), [(str(int(one)), _name(one), _purpose(one)) for one in Feature]),
        "## Registers and conntrack marks\n",
        _table(("mark", "bits", "holds", "values"), map(_mark, marks.MARKS.values())),
        "## Priorities\n",
        _table(("priority", "for"), [(str(int(one)), marks.PRIORITY_PURPOSE[one]) for one in marks.Priority]),
        _cookies(),
    ]
    return "\n".join(parts)


def writers() -> dict[Table, list[Feature]]:
    """The features that write flows of each stage, for a cluster that has something of everything."""
    desired = Desired()
    found: dict[Table, set[Feature]] = {}
    for kind, key, view in objects():
        for change in desired.put(kind, key, view).values():
            for flow in filter(None, change.flows.values()):
                found.setdefault(flow.table, set()).add(_feature(flow))
    return {table: sorted(numbers) for table, numbers in found.items()}


def _stages(tables: Sequence[Table], written: dict[Table, list[Feature]]) -> str:
    def row(table: Table) -> tuple[str, ...]:
        names = ", ".join(map(_name, (one for one in written.get(table, []) if one is not Feature.PIPELINE)))
        return (table.name, str(table.number), table.purpose, names or "none yet", table.default.value)

    return _table(("stage", "table", "purpose", "features", "what no flow matches"), map(row, tables))


def _mark(mark: marks.Mark) -> tuple[str, ...]:
    values = ", ".join(f"{number} {name}" for name, number in mark.values)
    bits = f"{mark.register}[{mark.first}..{mark.last}]" if mark.bits > 1 else f"{mark.register}[{mark.first}]"
    return (mark.name, bits, mark.purpose, values)


def _cookies() -> str:
    return f"""## Cookies

Feature (8 bits), digest of the object's kind and name ({marks.OBJECT_BITS} bits), digest of the flow's text
({marks.CONTENT_BITS} bits). So a switch's tables and cookies say what it holds, and `marks.explain` names the object
that a flow was written for. The digest of a group's content stands in a `note` action of its first bucket.
"""


def _feature(flow: Flow) -> Feature:
    return flow.owner.feature


def _name(feature: Feature) -> str:
    return "defaults" if feature is Feature.PIPELINE else feature.name.lower()


def _purpose(feature: Feature) -> str:
    """The first sentence of the feature's module."""
    text = features.PURPOSES[feature].__doc__ or ""
    return " ".join(text.split("\n\n")[0].split())


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    print(page(), end="")
