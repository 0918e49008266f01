"""What a test of the real thing needs. Missing: skip with the reason, or fail under ``AUTOQOS_TEST_REQUIRE=all``."""

import os
import shutil
import sys
from pathlib import Path
from typing import NoReturn

import pytest


def missing(reason: str) -> NoReturn:
    """Skip this test, or fail it where everything is required (CI)."""
    if os.environ.get("AUTOQOS_TEST_REQUIRE") == "all":
        pytest.fail(f"required here (AUTOQOS_TEST_REQUIRE=all) but {reason}", pytrace=False)
    pytest.skip(reason)


def linux_root() -> None:
    """Root on Linux: namespaces, eBPF, raw packets."""
    if sys.platform != "linux":
        missing("this test needs Linux network namespaces")
    if os.geteuid() != 0:
        missing("this test needs root: run it with sudo")


def posix_shell() -> None:
    """A system where ``sh`` and its paths are what our scripts expect; the shells on Windows' runners have others."""
    if sys.platform == "win32":
        missing("this test runs shell scripts for Linux")


def program(*names: str) -> str:
    """The path of the first of ``names`` that is installed."""
    places = os.environ.get("PATH", os.defpath)
    if sys.platform != "win32":
        places += ":/usr/sbin:/sbin:/usr/bin"
    for name in names:
        if path := shutil.which(name, path=places):
            return path
    missing(f"the program {' or '.join(names)} is not installed")


def cgroup2() -> Path:
    """Where the cgroup v2 hierarchy is mounted."""
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        left, _, right = line.partition(" - ")
        if right.startswith("cgroup2 "):
            return Path(left.split()[4])
    missing("no cgroup v2 hierarchy is mounted")
