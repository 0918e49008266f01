"""What the rules say about an application, worked out here: ``autoqos why`` without an enforcer, and ``check``."""

import datetime

from qos.contract.config import Config
from qos.contract.documents.override import Override
from qos.policy.policy import Decision, Identity, Policy
from qos.policy.schedule import LocalTime


def check_rules(config: Config, name: str) -> None:
    """Raises ConfigError with every schedule that cannot be read."""
    Policy(config, name)


def decide(config: Config, app: str, override: Override, now_ns: int) -> Decision:
    """The decision for an application known by its name only. ``override`` is what is set by hand."""
    now = datetime.datetime.fromtimestamp(now_ns / 1e9, datetime.UTC).astimezone()
    at = LocalTime(now.weekday(), now.hour * 60 + now.minute)
    return Policy(config).decide(Identity(app), override, at, now_ns)
