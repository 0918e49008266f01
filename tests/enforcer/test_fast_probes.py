"""The fast probes: what is asked, and what happens when a name cannot be resolved."""

from enforcer.allocation.congestion import Echo as Sample
from enforcer.fast_probes import Probes
from qos.system.clock import SYSTEM
from qos.system.echo import EchoReply
from tests.enforcer.ports import until


def test_a_name_that_could_not_be_resolved_is_asked_again() -> None:
    asked: list[str] = []

    def resolve(target: str) -> tuple[str, ...]:
        asked.append(target)
        return ("192.0.2.1",) if len(asked) > 2 else ()

    probes = Probes(SYSTEM, resolve=resolve, echo=lambda *_: EchoReply(7_000_000), resolve_s=0.01)
    probes.run(("gateway.test",))
    found: list[Sample] = []

    def answered() -> bool:
        found.extend(probes.take())
        return bool(found)

    until(answered)
    probes.close()
    assert len(asked) == 3
    assert (found[0].target, found[0].rtt_ns) == ("gateway.test", 7_000_000)
