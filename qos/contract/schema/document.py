"""``docs/schema.md`` from the points; ``python -m qos.contract.schema.document`` writes it, a test compares."""

import re
from collections.abc import Iterator
from pathlib import Path

from qos.contract.coarse import CoarseField, coarse_fields
from qos.contract.points import SPECS, TYPES, Spec
from qos.contract.schema.meanings import FIELDS, FIRST, SINCE, TAGS

_HEAD = """# Schema: every measurement, tag and field

Written by `python -m qos.contract.schema.document` from `qos/contract/points/measurements.py`; do not edit.

Times are UTC nanoseconds, taken at sampling. Bytes and packets are deltas of an interval, `_bps` are bits a second,
ratios are 0 to 1. A field marked *may be absent* is left out of the row when it is not known. The same measurements are
in the local store, in the bucket `autoqos` (30 days), and as a coarse history in `autoqos/5m` (180 days) and
`autoqos/1h` (2 years): [decision 0070](decisions/0070-coarse-history-from-the-agent.md) says what its fields mean.
Every coarse row has `n` (integer): how many raw rows it stands for.
"""


def document() -> str:
    """The page."""
    return _HEAD + "".join(f"\n{section}" for section in map(_section, SPECS.values()))


def _section(spec: Spec) -> str:
    # Of the first line: who reads the page has no use for the number of a decision.
    first = re.sub(r" \((?:docs/decisions/)?\d{4}\)", "", (TYPES[spec.name].__doc__ or "").strip().splitlines()[0])
    lines = [f"## {spec.name}\n\n{first}\n"]
    if spec.local:
        lines.append("\nStays on the computer: never shipped.\n")
    lines.append("\n| tag | meaning |\n| --- | --- |\n")
    lines += [f"| `{tag}` | {TAGS[tag]} |\n" for tag in spec.tags]
    lines.append("\n| field | type | unit | meaning | over time | since |\n| --- | --- | --- | --- | --- | --- |\n")
    for f in spec.fields:
        absent = ", *may be absent*" if f.optional else ""
        since = SINCE.get(f"{spec.name}.{f.name}", SINCE.get(spec.name, FIRST))
        meaning = FIELDS[spec.name][f.name]
        lines.append(f"| `{f.name}` | {f.kind}{absent} | {f.unit} | {meaning} | {f.rollup} | {since} |\n")
    if not spec.local:
        lines.append(f"\nCoarse fields besides those of the same name: {', '.join(_coarse(spec)) or 'none'}.\n")
    return "".join(lines)


def _coarse(spec: Spec) -> Iterator[str]:
    names = {f.name for f in spec.fields}
    added: list[CoarseField] = [f for f in coarse_fields(spec) if f.name not in names]
    return (f"`{f.name}` ({f.kind})" for f in added)


if __name__ == "__main__":
    (Path(__file__).parents[3] / "docs" / "schema.md").write_text(document(), encoding="utf-8", newline="\n")
