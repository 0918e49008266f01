"""The small windows over the live table: help, and the question for a limit."""

from dataclasses import dataclass
from typing import ClassVar, Final

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


class LimitScreen(ModalScreen[LimitRequest | None]):
    """Asks for the rates of one application; empty fields are no limit."""

    CSS = """
    LimitScreen { align: center middle; }
    #limit { width: 60; max-width: 100%; height: auto; padding: 1 2; border: round $primary; background: $surface; }
    #problem { color: $error; height: auto; }
    Input { margin: 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "Cancel")]

    def __init__(self, app_name: str) -> None:
        super().__init__()
        self._app_name = app_name

    def compose(self) -> ComposeResult:
        """A title, three fields, a line for what is wrong."""
        with Vertical(id="limit"):
            yield Static(f"Limit {plain(self._app_name)}\nEnter sets, Esc leaves; empty: no limit", markup=False)
            yield Input(placeholder="down, such as 2mbit", id="down")
            yield Input(placeholder="up, such as 500kbit", id="up")
            yield Input(placeholder="for how long, such as 2h; empty: for good", id="span")
            yield Static("", id="problem", markup=False)

    def on_input_submitted(self, _event: Input.Submitted) -> None:
        """Enter in any field."""
        texts = {name: self.query_one(f"#{name}", Input).value.strip() for name in ("down", "up", "span")}
        try:
            down_bps, up_bps = (_rate(texts[name]) for name in ("down", "up"))
            span_ns = parse_duration_ns(texts["span"]) if texts["span"] else None
        except ValueError as error:
            self.query_one("#problem", Static).update(str(error))
            return
        self.dismiss(LimitRequest(down_bps, up_bps, span_ns))


def _rate(text: str) -> int | None:
    if not text:
        return None
    rate = parse_rate_bps(text)
    if rate <= 0:
        raise ValueError("a rate must be more than zero")
    return rate
