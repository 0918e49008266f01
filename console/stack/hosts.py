"""Other computers of a fleet: an account each that may only write, made and revoked from the server's folder."""

import re
from pathlib import Path
from typing import Final

from console.stack.env_file import secret
from console.stack.folder import Stack
from qos.contract.coarse import KEPT, bucket
from qos.contract.errors import ConfigError

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


def add_host(stack: Stack, name: str, *, reached_at: str, ca: Path | None) -> list[str]:
    """Make the account; returns the lines for that computer's ``.env``. Raises ConfigError."""
    account, password = _account(name), secret()
    writes = [bucket("autoqos", policy) for policy in KEPT]
    stack.admin().make_account(account, password, writes=writes)
    lines = [f"INFLUX_URL={reached_at}", f"INFLUX_TOKEN={account}:{password}"]
    return [*lines, f"INFLUX_CA={ca}"] if ca is not None else lines


def remove_host(stack: Stack, name: str) -> list[str]:
    """Revoke the account; what it wrote stays. Raises ConfigError."""
    stack.admin().remove_account(_account(name))
    return [f"{name}: its password is refused from now on; what it wrote stays in InfluxDB"]


def _account(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{name!r} is no name for a computer: letters, digits, dot, hyphen and underscore")
    return f"agent-{name}"
