"""What was done by hand (page, API, terminal), with what it was before, so that it can be undone.

Each action is a document ``action:<id>`` in the store; the newest hundred are kept, and ``newest_action`` names the
last one. Carrying out and undoing: ``undoable``.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, Final, Literal, Self, get_args

from console.steering import overrides
from console.steering.overrides import States
from console.views.times import rfc3339
from qos.contract.documents.mode import ModeOverride
from qos.contract.documents.pause import Pause
from qos.contract.units import format_bps

Kind = Literal["priority", "limit", "pause", "mode", "config"]
Client = Literal["page", "api", "terminal"]
WHERE: Final[Mapping[Client, str]] = {"page": "the page", "api": "the API", "terminal": "the terminal"}
NEWEST: Final = "newest_action"
MOST: Final = 100
_LIMIT: Final = ("down_bps", "up_bps", "until_ns")


@dataclass(frozen=True, slots=True)
class Action:
    """One action. ``before`` and ``after`` are the fields that it touched; ``id`` is its time in microseconds (UTC)."""

    PREFIX: ClassVar[str] = "action:"

    id: int
    client: Client
    kind: Kind
    subject: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    said: str
    undone: bool = False

    @classmethod
    def parse(cls, document: object) -> Self | None:
        """The action; None when the document is not one."""
        if not isinstance(document, dict):
            return None
        fields: dict[str, Any] = {name: document.get(name) for name in cls.__slots__}
        if fields["kind"] not in get_args(Kind) or not isinstance(fields["id"], int):
            return None
        if not all(isinstance(fields[name], dict) for name in ("before", "after")):
            return None
        if fields["client"] not in WHERE or not all(isinstance(fields[name], str) for name in ("subject", "said")):
            return None
        return cls(**{**fields, "undone": fields["undone"] is True})

    @property
    def key(self) -> str:
        """Its key in the store."""
        return f"{self.PREFIX}{self.id:020d}"

    def inverse(self) -> str:
        """In words, what undoing it sets."""
        match self.kind:
            case "priority":
                level = self.before.get("priority")
                return "priority automatic" if level is None else f"priority {level}"
            case "limit":
                named = [(side, self.before.get(f"{side}_bps")) for side in ("down", "up")]
                rates = [f"{side} {format_bps(bps)}" for side, bps in named if isinstance(bps, int)]
                return f"at most {', '.join(rates)}" if rates else "no limit by hand"
            case "pause":
                return "paused" if self.before.get("paused") else "not paused"
            case "mode":
                return f"mode {self.before.get('mode') or 'as in the settings'}"
            case _:
                return "the former settings"

    def document(self) -> dict[str, Any]:
        """JSON's object, without the texts of the settings."""
        return {
            "id": str(self.id),
            "time": rfc3339(self.id * 1000),
            "client": self.client,
            "kind": self.kind,
            "subject": self.subject,
            "said": self.said,
            "inverse": self.inverse(),
            "undone": self.undone,
        }


def recent(states: States) -> list[Action]:
    """The kept actions, newest first."""
    found = (Action.parse(document) for _, document in sorted(states.states(Action.PREFIX).items(), reverse=True))
    return [action for action in found if action is not None]


def find(states: States, action_id: int) -> Action | None:
    """One action."""
    return Action.parse(states.get_state(f"{Action.PREFIX}{action_id:020d}"))


def keep(states: States, action: Action) -> Action:
    """Write it down and forget the oldest. The id moves on when there is one of this time already."""
    while states.get_state(action.key) is not None:
        action = replace(action, id=action.id + 1)
    states.set_state(action.key, asdict(action))
    states.set_state(NEWEST, {"id": action.id, "undone": False})
    for key in sorted(states.states(Action.PREFIX))[:-MOST]:
        states.delete_state(key)
    return action


def mark_undone(states: States, action: Action) -> None:
    """It cannot be undone a second time."""
    states.set_state(action.key, asdict(replace(action, undone=True)))
    states.set_state(NEWEST, {"id": action.id, "undone": True})


def current(states: States, kind: Kind, subject: str, now_ns: int) -> dict[str, Any]:
    """What an action of this kind would change, as it is now (UTC ns). Not for ``config``."""
    if kind == "pause":
        pause = overrides.read_pause(states, now_ns)
        return {"paused": pause is not None, "until_ns": pause.until_ns if pause is not None else None}
    if kind == "mode":
        mode = ModeOverride.parse(states.get_state(ModeOverride.KEY))
        return {"mode": mode.mode if mode is not None else None}
    override = overrides.read_override(states, subject, now_ns)
    if kind == "priority":
        return {"priority": override.priority}
    return {name: getattr(override, name) for name in _LIMIT}


def apply(states: States, kind: Kind, subject: str, value: Mapping[str, Any], now_ns: int) -> None:
    """Make it so; limits and pauses whose time is over are none. Not for ``config``."""
    until_ns = value.get("until_ns")
    over = until_ns is not None and until_ns <= now_ns
    if kind == "pause":
        if value["paused"] and not over:
            states.set_state(Pause.KEY, Pause(until_ns, now_ns).dump())
        else:
            overrides.resume(states)
    elif kind == "mode":
        if value["mode"] is None:
            states.delete_state(ModeOverride.KEY)
        else:
            states.set_state(ModeOverride.KEY, ModeOverride(value["mode"], now_ns).dump())
    elif kind == "priority":
        overrides.set_priority(states, subject, value["priority"], now_ns)
    else:
        rates = (None, None) if over else (value["down_bps"], value["up_bps"])
        overrides.set_limit(
            states, subject, down_bps=rates[0], up_bps=rates[1], until_ns=None if over else until_ns, now_ns=now_ns
        )
