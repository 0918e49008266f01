"""``autoqos page``: a one-time address for a page that runs, or a page of one's own until Ctrl-C.

The address holds a code in its fragment. It is printed, and opened in the browser through a file that only its owner
can read, because a program's arguments are visible to everybody; for root it is only printed.
"""

import contextlib
import html
import os
import sys
import tempfile
import threading
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from console.commands.context import Context, open_context
from console.page.access import address
from console.page.access.sessions import CODE_NS, digest, new_secret
from console.page.service import CODE_PREFIX, PageService, may_write
from console.views.output import say, warn
from qos.contract.documents.heartbeat import Heartbeat
from qos.contract.errors import ConfigError
from qos.service import (
    instance_lock,
    keep_files_private,
    make_data_dir,
    set_up_logging,
    stop_on_signals,
    written_by_the_living,
)
from qos.store.sqlite.store import SqliteStore
from qos.system import clock
from qos.system.elevation import elevated


def plain_page(argv: Sequence[str]) -> int | None:
    """Open the page when ``argv`` is plain, without the command line's libraries (6 MB); None: let them read it."""
    options: dict[str, str] = {}
    rest = [argument for argument in argv if argument not in ("--no-browser", "--browser")]
    while rest:
        name, *rest = rest
        if name not in ("--config", "--data", "--port") or name in options or not rest:
            return None
        options[name] = rest.pop(0)
    port = options.get("--port")
    if port is not None and not (port.isdecimal() and 1024 <= int(port) <= 65535):
        return None
    set_up_logging("page")
    config, data = (Path(options[name]) if name in options else None for name in ("--config", "--data"))
    context = open_context(config, data)
    return open_page(context, int(port) if port is not None else None, browser="--no-browser" not in argv)


def open_page(context: Context, port: int | None, *, browser: bool) -> int:
    """Print and open a one-time address; serves when no page runs for this data yet. Raises ConfigError."""
    running = running_port(context)
    if running is not None:
        if not may_write(context):
            raise ConfigError(
                f"a page runs already at {address.url(running)}, with other rights: run `autoqos page` with the same "
                "rights (as root or administrator), or a read-only one with a data folder of your own"
            )
        with context.writing() as store:
            show(address.url(running, leave_code(store)), browser=browser)
        return 0
    from console.page.run import serve

    stop = threading.Event()
    stop_on_signals(stop)

    def ready(service: PageService) -> None:
        code = new_secret()
        service.sessions.add_code(digest(code), clock.monotonic_ns())
        show(address.url(service.port, code), browser=browser)
        if not service.writable:
            say("read only: steering needs the rights of the agent (run as root or administrator)")
        say("Ctrl-C ends the page; `autoqos page` again, meanwhile, gives another one-time address")

    with contextlib.ExitStack() as stack:
        if may_write(context):
            keep_files_private()
            make_data_dir(context.data, context.config.data_group)
            stack.enter_context(instance_lock(context.data, "page"))
        elif not context.has_store:
            raise ConfigError(f"no data in {context.data} yet: start `autoqos up`, or name the folder with --data")
        return serve(context, port or context.config.page.port, stop, ready)


def running_port(context: Context) -> int | None:
    """The port of the page that serves this data now."""
    if not context.has_store:
        return None
    with context.reading() as store:
        beat = Heartbeat.parse(store.get_state(Heartbeat.PREFIX + "page"))
    port = beat.report.get("port") if beat is not None else None
    lives = beat is not None and written_by_the_living(beat, clock.wall_ns())
    return port if lives and isinstance(port, int) else None


def leave_code(store: SqliteStore) -> str:
    """A new code, its digest left in the store for the page that runs."""
    code = new_secret()
    store.set_state(CODE_PREFIX + digest(code), clock.wall_ns() + CODE_NS)
    return code


def show(url: str, *, browser: bool) -> None:
    """Print the address, and open it where a browser may be started."""
    say(f"AutoQoS page: {url}", "  (this address works once, within a minute)")
    if not browser:
        return
    if elevated() and sys.platform != "win32":
        say("  not opened: a browser does not run as root; open the address yourself")
        return
    path = redirect_file(url)
    try:
        opened = webbrowser.open(path.as_uri())
    except webbrowser.Error:
        opened = False
    if not opened:
        warn("no browser could be started: open the address yourself")
    forget = threading.Timer(CODE_NS / 1e9, path.unlink, kwargs={"missing_ok": True})
    forget.daemon = True
    forget.start()


def redirect_file(url: str) -> Path:
    """An HTML file that leads to ``url``, readable by its owner only; empty of use after the code's minute."""
    handle, name = tempfile.mkstemp(prefix="autoqos-", suffix=".html")  # mkstemp makes it 0600
    quoted = html.escape(url, quote=True)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(
            f'<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0;url={quoted}">'
            f'<title>AutoQoS</title><a href="{quoted}">Open AutoQoS</a>\n'
        )
    return Path(name)
