"""A write server on loopback that answers what it is told: any status, silence, or a connection cut in the middle.

It keeps the lines of every write that it accepted, as a database would: the same series and time replace the row.
"""

import contextlib
import gzip
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal


@dataclass(frozen=True)
class Answer:
    """One answer. ``kind`` "hang" keeps silent, "reset" cuts the connection; else ``status`` with ``body``."""

    status: int = 204
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    kind: Literal["answer", "hang", "reset"] = "answer"


HANG, RESET = Answer(kind="hang"), Answer(kind="reset")


class ScriptedServer:
    """``script`` answers come first, one a write; then ``rule`` decides (default: everything is accepted)."""

    def __init__(self) -> None:
        self.script: deque[Answer] = deque()
        self.rule: Callable[[list[str]], Answer] = lambda _lines: Answer()
        self.requests: list[tuple[str, dict[str, str], list[str]]] = []
        self.rows: dict[str, str] = {}
        self.accepted = 0
        self.open = threading.Event()
        """Set at the end: hanging requests return then."""
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # one segment an answer: two would meet the client's delayed acknowledgement, 40 ms each

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                lines = body.decode().splitlines()
                owner.requests.append((self.path, dict(self.headers), lines))
                answer = owner.script.popleft() if owner.script else owner.rule(lines)
                if answer.kind == "hang":
                    owner.open.wait(60)
                    self.close_connection = True
                    return
                if answer.kind == "reset":
                    # Linger zero: close() sends RST instead of FIN.
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.close_connection = True
                    with contextlib.suppress(OSError):
                        self.connection.close()
                    return
                if answer.status == 204:
                    owner.keep(lines)
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                data = answer.body.encode()
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def keep(self, lines: list[str]) -> None:
        """Accept these lines."""
        self.accepted += len(lines)
        for line in lines:
            series, _, rest = line.partition(" ")
            fields, _, time_ns = rest.rpartition(" ")
            self.rows[f"{series} {time_ns}"] = fields

    def close(self) -> None:
        """Stop answering and release the port."""
        self.open.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextlib.contextmanager
def scripted_server() -> Iterator[ScriptedServer]:
    """A server for one test."""
    server = ScriptedServer()
    try:
        yield server
    finally:
        server.close()
