"""Text for terminals and files that are not Unicode: each sign that we draw with has one ASCII letter. Pure.

Windows writes redirected output in the legacy code page (850, 1252, …), which has no ▼. A sign that is lost becomes
``?`` and a table loses its meaning; a letter of the same width keeps it.
"""

import codecs
from types import MappingProxyType
from typing import Final

ERRORS: Final = "autoqos-ascii"
"""The name of the error handler, for ``reconfigure(errors=…)``."""
_SIGNS: Final = MappingProxyType(
    {"▼": "v", "▲": "^", "◦": "*", "×": "x", "·": "|", "…": ".", "–": "-", "—": "-", "µ": "u", "≥": ">", "≤": "<"}
    | {"→": ">", "←": "<", "─": "-", "━": "=", "│": "|", "╶": "-", "╴": "-", "╺": "-", "╸": "-", "┼": "+", "█": "#"}
    | {"▁": ".", "▂": ":", "▃": "-", "▄": "=", "▅": "+", "▆": "*", "▇": "%"}  # fuller from height to height
    | {"▶": ">", "↑": "^", "↓": "v", "²": "2", "“": '"', "”": '"'}
)  # fmt: skip


def in_ascii(error: UnicodeError) -> tuple[str, int]:
    """What stands for the signs that an encoding does not have; ``?`` for what is not ours."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_SIGNS.get(sign, "?") for sign in error.object[error.start : error.end]), error.end


codecs.register_error(ERRORS, in_ascii)
