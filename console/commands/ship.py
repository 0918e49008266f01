"""``autoqos ship``: send a span of this computer's history to InfluxDB again."""

import contextlib
import sys
import threading
from typing import Annotated

import typer

from console.commands.context import open_context
from console.commands.options import ConfigOption, DataOption
from console.views.output import say, warn
from console.views.times import parse_time_ns, rough_span
from qos.contract.errors import ConfigError
from qos.system import clock


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(ship)


def ship(
    since: Annotated[str, typer.Option("--since", metavar="SPAN", help="From when on (30d, 12h), or a time.")] = "30d",
    until: Annotated[str | None, typer.Option("--until", metavar="SPAN", help="Up to when; default: now.")] = None,
    rate: Annotated[
        int | None, typer.Option("--rate", min=1, help="Rows a second at most; default: influxdb.catch_up.")
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Send what the store still has to InfluxDB again: for a server that lost it, or a fresh one. May run twice.

    Raw rows of the span, its coarse history, and the points that were set aside.
    """
    from qos.contract.coarse import WIDTHS_NS, bucket
    from qos.service import stop_on_signals
    from qos.service.config_file import load_secrets
    from qos.shipping.client import InfluxClient
    from qos.shipping.resend import Resend, Resent
    from qos.shipping.set_aside import RejectedFile
    from qos.shipping.settings import influx_settings
    from qos.store.sqlite.line_protocol import JournalReader

    context = open_context(config, data)
    now_ns = clock.wall_ns()
    start_ns = parse_time_ns(since, now_ns, "--since")
    stop_ns = now_ns if until is None else parse_time_ns(until, now_ns, "--until")
    if start_ns >= stop_ns:
        raise ConfigError("--until: must be after --since")
    settings = influx_settings(context.config)
    if settings is None:
        raise ConfigError(f"{context.config_path or 'config.yaml'}: influxdb: is not set: nothing to ship to")
    if not context.has_store:
        raise ConfigError(f"no data in {context.data} yet: start `autoqos up`, or name the folder with --data")
    token = load_secrets(context.config_path).influx_token
    stop = threading.Event()
    stop_on_signals(stop)
    began_ns = clock.monotonic_ns()
    progress = _Progress()
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(contextlib.closing(JournalReader(context.store_path)))
        writers = {
            policy: stack.enter_context(
                contextlib.closing(
                    InfluxClient(settings.model_copy(update={"bucket": bucket(settings.bucket, policy)}), token)
                )
            )
            for policy in ("", *(WIDTHS_NS if settings.coarse else ()))
        }
        aside = RejectedFile(context.data)
        lines = aside.take()
        run = Resend(
            source,
            writers,
            rate=rate or settings.catch_up,
            batch=settings.batch,
            address=settings.url,
            stop=stop,
            tell=progress.tell,
        )
        done: Resent = run.run(start_ns, stop_ns, lines)
    progress.end()
    stopped = stop.is_set()
    if not stopped and (lines or done.rejected):
        aside.replace(done.rejected)
    spent = rough_span(clock.monotonic_ns() - began_ns)
    say(f"{done.rows:,} raw rows and {done.history_rows:,} coarse rows sent to {settings.url} in {spent}")
    if lines:
        say(f"{done.again} of {len(lines)} points that were set aside are taken now")
    if done.too_old:
        say(f"{done.too_old:,} rows are older than their bucket keeps: left out")
    if done.rejected:
        warn(f"{len(done.rejected)} points are not taken: {done.rejected[0].reason}; they stay in {aside.path}")
    if stopped:
        warn("stopped early: run it again, what is there already is replaced by itself")
    raise typer.Exit(1 if done.rejected or stopped else 0)


class _Progress:
    """One line that is rewritten on a terminal; elsewhere a line every ten seconds."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._said = clock.monotonic_ns() / 1e9

    def tell(self, done: object) -> None:
        """What was sent so far."""
        from qos.shipping.resend import Resent

        assert isinstance(done, Resent)
        now = clock.monotonic_ns() / 1e9
        if now - self._said < (0.2 if self._terminal else 10):
            return
        self._said = now
        rows = done.rows + done.history_rows + done.again
        text = f"{done.stage}: {rows:,} rows sent" + (f"; waiting: {done.waiting}" if done.waiting else "")
        sys.stderr.write(f"\r\x1b[K{text[:150]}" if self._terminal else f"{text}\n")
        sys.stderr.flush()

    def end(self) -> None:
        """Leave the line."""
        if self._terminal:
            sys.stderr.write("\r\x1b[K")
