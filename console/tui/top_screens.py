"""The small windows over the live table: help, and the question for a limit."""

from dataclasses import dataclass
from typing import ClassVar, Final

from textual import events
from textual._ansi_sequences import ANSI_SEQUENCES_KEYS
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from console.views.output import plain
from console.views.table_format import BACKGROUND
from qos.contract.units import parse_duration_ns, parse_rate_bps

_HELP: Final = f"""\
↑ ↓  choose an application

0-5  its priority: 0 critical (never limited) … 5 background
d    its priority is automatic again (DEFAULT)
l    limit its rates, or lift the limit
p    pause the whole enforcer, or resume it
r    write qos_report.png into this folder
b    a row per application or per process
q    quit

{BACKGROUND}    background: no window and no terminal
▼ ▲  received and sent; MB since monitoring started

Enter or Esc closes this."""


@dataclass(frozen=True, slots=True)
class LimitRequest:
    """What was asked for. None: no limit in that direction, or for good."""

    down_bps: int | None
    up_bps: int | None
    span_ns: int | None


class HelpScreen(ModalScreen[None]):
    """The keys and marks."""

    CSS = """
    HelpScreen { align: center middle; }
    #help { width: 66; max-width: 100%; height: auto; padding: 1 2; border: round $primary; background: $surface; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,enter,q,question_mark", "dismiss", "Close", priority=True)]

    def compose(self) -> ComposeResult:
        """One box."""
        yield Static(_HELP, id="help", markup=False)


_META_CHARACTERS: Final = frozenset(
    text for sequence, text in ANSI_SEQUENCES_KEYS.items() if isinstance(text, str) and len(sequence) == 2
)
"""What Textual makes of Esc and a digit in one delivery, such as ``∞``."""


class _Field(Input):
    """A field in which Esc together with the next key leaves, as Esc alone does."""

    async def _on_key(self, event: events.Key) -> None:
        if event.key.startswith("alt+") or event.character in _META_CHARACTERS:
            event.stop()
            event.prevent_default()
            self.screen.dismiss(None)
            return
        await super()._on_key(event)


class LimitScreen(ModalScreen[LimitRequest | None]):
    """Asks for the rates of one application. The fields hold what is set by hand now; emptied, they lift it.

    What cannot be carried out is said in the dialog, which stays. Esc leaves: with priority over the fields, and also
    where a slow line delivers it together with the next key, which a terminal cannot tell from Alt and that key.
    """

    CSS = """
    LimitScreen { align: center middle; }
    #limit { width: 60; max-width: 100%; height: auto; padding: 1 2; border: round $primary; background: $surface; }
    #problem { color: $error; height: auto; }
    Input { margin: 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "Cancel", priority=True)]

    def __init__(self, app_name: str, down_bps: int | None = None, up_bps: int | None = None) -> None:
        super().__init__()
        self._app_name = app_name
        self._set = {"down": down_bps, "up": up_bps}

    def compose(self) -> ComposeResult:
        """A title, three fields, a line for what is wrong."""
        with Vertical(id="limit"):
            yield Static(f"Limit {plain(self._app_name)}\nEnter sets, Esc leaves; empty: no limit", markup=False)
            for name, example in (("down", "2mbit"), ("up", "500kbit")):
                bps = self._set[name]
                yield _Field("" if bps is None else _rate_text(bps), placeholder=f"{name}, such as {example}", id=name)
            yield _Field(placeholder="for how long, such as 2h; empty: for good", id="span")
            yield Static("", id="problem", markup=False)

    def on_input_submitted(self, _event: Input.Submitted) -> None:
        """Enter in any field."""
        texts = {name: self.query_one(f"#{name}", Input).value.strip() for name in ("down", "up", "span")}
        read: dict[str, int | None] = {}
        for name, parse in (("down", _rate), ("up", _rate), ("span", _span)):
            try:
                read[name] = parse(texts[name])
            except ValueError as error:
                self._complain(name, f"{_LABELS[name]}: {error}")
                return
        if read["down"] is None and read["up"] is None and (texts["span"] or not any(self._set.values())):
            self._complain("down", "no rate given: type one, such as 2mbit, or leave with Esc")
            return
        self.dismiss(LimitRequest(read["down"], read["up"], read["span"]))

    def _complain(self, name: str, words: str) -> None:
        self.query_one("#problem", Static).update(words)
        self.query_one(f"#{name}", Input).focus()


_LABELS: Final = {"down": "down", "up": "up", "span": "for how long"}


def _span(text: str) -> int | None:
    if not text:
        return None
    span_ns = parse_duration_ns(text)
    if span_ns <= 0:
        raise ValueError("must be more than zero")
    return span_ns


def _rate_text(bps: int) -> str:
    """The rate as a person would type it; read back it is the same."""
    for unit, scale in (("mbit", 10**6), ("kbit", 10**3)):
        if bps % scale == 0:
            return f"{bps // scale}{unit}"
    return f"{bps}bit"


def _rate(text: str) -> int | None:
    if not text:
        return None
    rate = parse_rate_bps(text)
    if rate <= 0:
        raise ValueError("a rate must be more than zero")
    return rate
