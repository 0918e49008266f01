"""How a child is started and asked to stop on Linux and macOS."""

import subprocess


def spawn_flags() -> int:
    """No creation flags here."""
    return 0


def spawn_session() -> bool:
    """A session of its own: the terminal's Ctrl-C goes to the supervisor alone, which then asks each child."""
    return True


def ask_to_stop(child: "subprocess.Popen[bytes]") -> None:
    """SIGTERM."""
    child.terminate()
