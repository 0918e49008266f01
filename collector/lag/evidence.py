"""An incident's evidence in one sentence with numbers, and its row. Pure."""

from collector.lag.attribution import HIGH, MEDIUM, Diagnosis
from collector.lag.detector import CALM, TURNED, Incident
from collector.lag.samples import CapacitySource
from collector.lag.suspects import Suspect
from qos.contract.points import LagIncident
from qos.contract.units import format_bps

_SOURCE: dict[CapacitySource, str] = {
    "set": "its setting",
    "learned": "what it was learned to carry",
    "seen": "the most ever seen",
}


def confidence_word(confidence: float) -> str:
    """``high`` (right in at least 95 of 100), ``medium`` or ``low``."""
    return "high" if confidence >= HIGH else "medium" if confidence >= MEDIUM else "low"


def sentence(incident: Incident) -> str:
    """Why it is thought so."""
    diagnosis = incident.diagnosis
    said = [_cause(incident, diagnosis)]
    if incident.loss_ratio >= 0.02:
        said.append(f"{incident.loss_ratio:.0%} of the probes were lost")
    if incident.ended == TURNED:
        said.append(f"then {TURNED}")
    elif incident.ended and incident.ended != CALM:
        said.append(f"it is told only up to here: {incident.ended}")
    return "; ".join(said) + f". {confidence_word(diagnosis.confidence).capitalize()} confidence."


def _cause(incident: Incident, diagnosis: Diagnosis) -> str:
    suspect = diagnosis.suspect
    if diagnosis.cause in ("application", "unnamed") and suspect is not None:
        return _blame(suspect, diagnosis.runner_up, diagnosis.joined)
    if diagnosis.cause == "unknown":
        return "it has just begun, and who made it is not known yet"
    if diagnosis.cause == "own_limit":
        return _own_limit(incident)
    load = f"this computer used {diagnosis.busiest:.0%} of the line at most"
    if diagnosis.cause == "target":
        return f"only {incident.target} was slow, the other targets answered as usual"
    gateway = "the gateway's time is not known"
    if incident.kind == "loss" and diagnosis.gateway_ms is not None:
        gateway = "the gateway loses answers too" if diagnosis.cause == "local_network" else "the gateway answers"
    elif diagnosis.gateway_ms is not None:
        gateway = f"the gateway answered {diagnosis.gateway_ms:.0f} ms above its usual"
    if diagnosis.cause == "local_network":
        return f"{gateway}, so the lag is on this side of it (Wi-Fi, cable, router); {load}"
    if diagnosis.cause == "provider":
        return f"nothing came back from behind the gateway; {gateway}; {load}"
    return f"everything behind the gateway suffered: another device or the provider; {gateway}; {load}"


def _own_limit(incident: Incident) -> str:
    held = incident.held
    sides = ((held.down_bps, "download"), (held.up_bps, "upload")) if held is not None else ()
    rates = " and ".join(f"{format_bps(bps)} of {side}" for bps, side in sides if bps is not None)
    to = f" to {rates}" if rates else ""
    wait = incident.extra_ns / 1e6
    return f"AutoQoS holds {incident.target}{to}, and its packets waited {wait:.0f} ms in AutoQoS's own queue"


def _blame(suspect: Suspect, second: Suspect | None, joined: Suspect | None) -> str:
    who = suspect.app or "traffic of this computer that nobody could be named for"
    side = "download" if suspect.direction == "down" else "upload"
    when = f"began {suspect.lead_s:.0f} s earlier" if suspect.lead_s >= 1 else "began with it"
    if suspect.lead_s > 30:
        when = "had been busy for a while"
    text = f"{who} {when} and took {min(1.0, suspect.share_ratio):.0%} of the {side} ({format_bps(suspect.rate_bps)})"
    text += f"; the link stood at {min(1.0, suspect.utilization):.0%} of {_SOURCE[suspect.capacity.source]}"
    if second is not None and second.direction == suspect.direction:
        text += f", with {second.app or 'unnamed traffic'} at {min(1.0, second.share_ratio):.0%}"
    if joined is not None:
        text += f"; {joined.app} joined {-joined.lead_s:.0f} s later, with {min(1.0, joined.share_ratio):.0%}"
    if suspect.stopped:
        text += "; it ended when that stopped"
    return text


def row(incident: Incident, host: str, onset_wall_ns: int, *, suffered: str | None = None) -> LagIncident:
    """The incident as a point. ``onset_wall_ns``: its onset in UTC."""
    diagnosis = incident.diagnosis
    return LagIncident(
        time_ns=onset_wall_ns,
        host=host,
        duration_s=max(0.0, (incident.last_ns - incident.onset_ns) / 1e9),
        extra_ms=max(0.0, incident.extra_ns / 1e6),
        loss_ratio=min(1.0, incident.loss_ratio),
        cause=diagnosis.cause,
        app=diagnosis.app,
        direction=diagnosis.direction,
        share_ratio=diagnosis.share_ratio,
        confidence=max(0.0, min(1.0, diagnosis.confidence)),
        running=int(incident.running),
        suffered=suffered,
        evidence=sentence(incident),
    )
