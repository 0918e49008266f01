"""Traffic for bench/lag.py: one file is the server and, copied under an application's name, every client.

    traffic.py serve                       in the namespace of the internet
    steam KIND SECONDS [key=value …] HOST  an application; KIND: bulk, ramp, bursts, video, many, udp, call, web

Only for namespaces made by the bench: everything runs for a bounded time and then ends.
"""

import contextlib
import socket
import sys
import threading
import time
from typing import Any

TCP, UDP = 7001, 7002
CHUNK = bytes(16384)


def serve() -> None:
    threading.Thread(target=_udp_server, daemon=True).start()
    listener = socket.create_server(("::", TCP), family=socket.AF_INET6, dualstack_ipv6=True, backlog=256)
    while True:
        made, _ = listener.accept()
        threading.Thread(target=_answer, args=(made,), daemon=True).start()


def _answer(made: socket.socket) -> None:
    """One line says what is wanted: ``down RATE BYTES`` (0: no bound) or ``up``."""
    try:
        with made:
            words = made.makefile("rb").readline().split()
            if not words:
                return
            if words[0] == b"up":
                while made.recv(65536):
                    pass
                return
            rate, size = int(words[1]), int(words[2])
            sent, began = 0, time.monotonic()
            while not size or sent < size:
                made.sendall(CHUNK if not size else CHUNK[: size - sent])
                sent += len(CHUNK)
                if rate and (ahead := sent * 8 / rate - (time.monotonic() - began)) > 0:
                    time.sleep(ahead)
    except OSError:
        pass


def _udp_server() -> None:
    """``down RATE SECONDS`` brings a stream; ``echo`` comes back; the rest is swallowed."""
    made = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    made.bind(("::", UDP))
    while True:
        data, peer = made.recvfrom(2048)
        if data.startswith(b"down"):
            _, rate, seconds = data.split()
            threading.Thread(target=_stream, args=(made, peer, int(rate), float(seconds)), daemon=True).start()
        elif data.startswith(b"echo"):
            made.sendto(data, peer)


def _stream(made: socket.socket, peer: tuple[Any, ...], rate: int, seconds: float, ramp: float = 0) -> None:
    """At ``rate`` bit/s, reached after ``ramp`` seconds of steady rise."""
    began, sent = time.monotonic(), 0
    while (passed := time.monotonic() - began) < seconds:
        rising = min(passed, ramp)
        due = rate / 8 * (rising * rising / ramp / 2 + passed - rising if ramp else passed)
        while sent < due:
            with contextlib.suppress(OSError):
                made.sendto(CHUNK[:1200], peer)
            sent += 1228
        time.sleep(0.004)


def family_of(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _tcp(host: str, line: str, until: float) -> int:
    moved = 0
    try:
        with socket.create_connection((host, TCP), timeout=5) as made:
            made.sendall(line.encode() + b"\n")
            made.settimeout(0.5)
            while time.monotonic() < until:
                try:
                    if line.startswith("up"):
                        moved += made.send(CHUNK)
                    elif got := len(made.recv(65536)):
                        moved += got
                    else:
                        break
                except TimeoutError:
                    continue
            # Leave at once: what is queued for sending would go on for seconds.
            made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    except OSError:
        time.sleep(0.1)
    return moved


def _swallow(made: socket.socket) -> None:
    while True:
        with contextlib.suppress(OSError):
            made.recv(2048)


def together(*calls: tuple[object, ...]) -> None:
    threads = [threading.Thread(target=call[0], args=call[1:], daemon=True) for call in calls]  # type: ignore[arg-type]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def client(kind: str, seconds: float, options: dict[str, str], host: str) -> None:
    until = time.monotonic() + seconds
    way, rate, count = options.get("dir", "down"), int(float(options.get("rate", "0"))), int(options.get("n", "1"))
    ways = ("down", "up") if way == "both" else (way,)
    lines = [f"{each} {rate} 0" for each in ways]
    udp = socket.socket(family_of(host), socket.SOCK_DGRAM)
    udp.bind(("", 0))
    threading.Thread(target=_swallow, args=(udp,), daemon=True).start()
    if kind == "bulk":
        together(*((_tcp, host, line, until) for line in lines for _ in range(count)))
    elif kind in ("udp", "ramp"):
        if way == "up":
            _stream(udp, (host, UDP), rate, seconds, float(options.get("ramp", "0")))
        else:
            # It ends before the one who asked for it does, or nobody would own the rest.
            udp.sendto(f"down {rate} {seconds - 2}".encode(), (host, UDP))
            time.sleep(seconds)
    elif kind == "bursts":
        length, pause = float(options["on"]), float(options["off"])
        while time.monotonic() < until:
            _tcp(host, lines[0], min(until, time.monotonic() + length))
            time.sleep(pause)
    elif kind == "video":
        while time.monotonic() < until:  # a chunk every two seconds, paced by the server as large sites do
            begun = time.monotonic()
            _tcp(host, f"down {int(rate * 1.25)} {rate // 4}", until)
            time.sleep(max(0.0, 2 - (time.monotonic() - begun)))
    elif kind == "many":
        size = int(options.get("bytes", "200000"))

        def one() -> None:
            while time.monotonic() < until:
                _tcp(host, f"down 0 {size}", until)

        together(*((one,) for _ in range(count)))
    elif kind == "web":
        while time.monotonic() < until:
            _tcp(host, "down 0 150000", until)
            time.sleep(float(options.get("off", "4")))
    elif kind == "call":
        while time.monotonic() < until:
            udp.sendto(b"echo" + bytes(160), (host, UDP))
            time.sleep(1 / 30)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve()
    else:
        client(sys.argv[1], float(sys.argv[2]), dict(word.split("=") for word in sys.argv[3:-1]), sys.argv[-1])
