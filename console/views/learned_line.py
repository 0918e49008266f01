"""What the line was learned to carry, in words: for `autoqos link` and `autoqos status`."""

from qos.contract.documents.engine import ControlReport
from qos.contract.documents.link_estimates import LinkEstimates
from qos.contract.units import format_bps


def told(
    known: LinkEstimates, now: ControlReport | None, down_bps: int | None, up_bps: int | None, now_ns: int
) -> list[str]:
    """The lines for people. ``now``: what the control loop sees, if it runs; times are UTC nanoseconds."""
    lines = []
    sides = known.of(known.current)
    for way, by_hand in (("down", down_bps), ("up", up_bps)):
        learned = sides.get(way)
        words = "not learned yet: it is when a download or upload fills the line" if learned is None else ""
        if learned is not None:
            minutes = max(0, now_ns - learned.learned_ns) // 60_000_000_000
            age = "just now" if minutes < 1 else f"{minutes} min ago" if minutes < 120 else f"{minutes // 60} h ago"
            sure = "sure" if learned.confidence >= 0.8 else "fairly sure" if learned.confidence >= 0.5 else "a guess"
            words = f"{format_bps(learned.bps)} learned, {sure}, last seen {age}"
        if by_hand is not None:
            words = f"{format_bps(by_hand)} set in link.{way}; {words}"
        line = now.lines.get(way) if now is not None else None
        if line is not None and line.budget_bps:
            words += f"; at most {format_bps(line.budget_bps)} of it is used now ({line.phase})"
        lines.append(f"{way:<5}{words}")
    if now is not None and now.failed:
        lines.append(f"latency is not measured: {now.failed}")
    elif now is not None and not now.targets_answering:
        lines.append("no target answers now: nothing is cut and nothing learned; see collector.targets")
    if now is not None and now.others_for_s:
        lines.append(
            "somebody else fills the line now: holding our applications would shorten nothing; looked at again "
            f"in {now.others_for_s:.0f} s, or as soon as they are gone"
        )
    others = len(known.networks) - (1 if sides else 0)
    if others > 0:
        lines.append(f"{others} other network{'s' if others != 1 else ''} remembered")
    return lines
