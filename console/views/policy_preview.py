"""What the enforcer would decide about an application, worked out here with its own policy while none runs."""

from qos.contract.config import Config
from qos.contract.documents.live import Live
from qos.contract.documents.override import Override
from qos.policy.matching import AppIdentity
from qos.policy.policy import Decision, Policy
from qos.system import clock


def identify(config: Config, app: str, live: Live | None) -> AppIdentity:
    """What rules are compared with; its name alone when no process of it is listed or lives."""
    from qos.system.processes import Processes

    pid = live.pid_of(app) if live is not None else None
    if pid is None:
        return AppIdentity(app)
    found = Processes(config.collector.name_by_script).identify(pid, clock.monotonic_ns())
    return AppIdentity.of(app, found if found.app == app else None)


def decide(config: Config, who: AppIdentity, override: Override, now_ns: int) -> Decision:
    """The decision at ``now_ns`` (UTC). ``override`` is what is set by hand."""
    return Policy(config).decide(who, override, clock.local_time(now_ns), now_ns)
