"""The command line's door. A plain call of ``up`` or of a part goes straight to it, all else to the commands.

Errors that the user can mend are lines on standard error and exit status 2; a store that is busy or away is one line
and exit status 1; Ctrl-C and a closed pipe end quietly.
"""

import errno
import os
import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> None:
    """Run ``autoqos`` with these arguments (default: the process's own) and exit."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    from console.views.legacy_text import ERRORS

    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure") and (stream.encoding or "").lower().replace("-", "") != "utf8":
            stream.reconfigure(errors=ERRORS)  # a Windows code page must not end the program over one letter
    from console.supervisor import part
    from qos.contract.errors import ConfigError, StoreRejected, StoreUnavailable

    try:
        status = part.main(arguments)
        plain_up = [argument for argument in arguments if argument != "--page"]
        if status is None and (plain := part.plain_arguments(plain_up, ("up",))) is not None:
            from console.supervisor.supervisor import run_up

            status = run_up(plain[1], plain[2], page=len(plain_up) < len(arguments))
        if status is None and arguments[:1] == ["page"]:
            from console.page.access.opening import plain_page

            status = plain_page(arguments[1:])
        if status is None:
            status = _commands(arguments)
        sys.stdout.flush()
    except ConfigError as error:
        status = 2
        sys.stderr.write("".join(f"autoqos: {line}\n" for line in error.lines))
    except (StoreUnavailable, StoreRejected) as error:
        status = 1
        sys.stderr.write(f"autoqos: store: {error}\n")
    except KeyboardInterrupt:
        status = 130
    except BrokenPipeError:
        status = _closed_pipe()
    except OSError as error:
        if not _output_is_closed(error):
            raise
        status = _closed_pipe()
    sys.exit(status)


def _commands(arguments: Sequence[str]) -> int:
    from console.commands.app import app

    try:
        app(args=list(arguments), prog_name="autoqos")
    except SystemExit as end:
        if type(sys.stdout).__name__ == "PacifyFlushWrapper":  # typer's sign that it met a broken pipe
            raise BrokenPipeError from None
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _output_is_closed(error: OSError) -> bool:
    """Whether it is Windows' word for a broken pipe: writing again says the same."""
    if sys.platform != "win32" or error.errno != errno.EINVAL:
        return False
    try:
        sys.stdout.write("\n")
        sys.stdout.flush()
    except OSError:
        return True
    return False


def _closed_pipe() -> int:
    """The reader has seen enough (``autoqos query … | head``): the rest goes nowhere, also at the interpreter's end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
