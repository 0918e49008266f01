"""A webhook's other end: ``python -m tests.grafana.listener PORT FILE`` appends each body that it gets as one line."""

import http.server
import sys
from pathlib import Path


def main(port: int, path: Path) -> None:
    """Listen until the process ends."""

    class Listener(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            with path.open("ab") as file:
                file.write(body.replace(b"\n", b" ") + b"\n")
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Be quiet."""

    # A container reaches this machine through its bridge, not through loopback.
    http.server.HTTPServer(("0.0.0.0", port), Listener).serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
