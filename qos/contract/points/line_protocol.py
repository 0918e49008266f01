"""InfluxDB line protocol: a point as the line that is sent to the server.

Source: docs.influxdata.com, "Line protocol", InfluxDB v2.
"""

from collections.abc import Iterator
from typing import Final

from qos.contract.points.point import Point, spec_of

_ESCAPE_TAG: Final = str.maketrans({",": r"\,", "=": r"\=", " ": r"\ ", "\n": r"\ ", "\r": r"\ ", "\t": r"\ "})


_ESCAPE_TEXT: Final = str.maketrans({'"': r"\"", "\\": r"\\", "\n": " ", "\r": " "})


def escape_tag(value: str) -> str:
    """A tag's value as line protocol wants it. A trailing backslash would escape the separator: it becomes a slash."""
    return (f"{value[:-1]}/" if value.endswith("\\") else value).translate(_ESCAPE_TAG)


def escape_text(value: str) -> str:
    """A text field's value as line protocol wants it, without the quotes around it."""
    return value.translate(_ESCAPE_TEXT)


def _line_parts(point: Point) -> Iterator[str]:
    spec = spec_of(type(point))
    for name, value in point.values.items():
        kind = spec.field(name).kind
        if kind == "int":
            yield f"{name}={value}i"
        elif kind == "float":
            yield f"{name}={value!r}"
        else:
            yield f'{name}="{escape_text(str(value))}"'


def to_line(point: Point) -> str:
    """InfluxDB line protocol, nanosecond precision, no trailing newline.

    Integers carry ``i``; floats are written so that they read back exactly. A trailing backslash in a tag would escape
    the separator, so it becomes a slash. Source: docs.influxdata.com, "Line protocol", InfluxDB v2.
    """
    tags = "".join(f",{name}={escape_tag(value)}" for name, value in sorted(point.tags.items()))
    return f"{point.MEASUREMENT}{tags} {','.join(_line_parts(point))} {point.time_ns}"
