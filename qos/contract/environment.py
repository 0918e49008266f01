"""Environment variables that one process of AutoQoS sets for another."""

from typing import Final

SUPERVISED: Final = "AUTOQOS_SUPERVISED"
"""``1`` in a process that a supervisor started: its standard input closes when it should stop."""
