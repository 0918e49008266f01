"""The applications of the accuracy matrix: run by copies of the interpreter under other names, standard library only.

    APP move tcp|udp ADDRESS sent|received BYTES [COUNT [PAUSE_MS]]   COUNT connections, or one for ever when COUNT is 0
    APP hold ...like move            connect, move 2 kB, say "ready", wait for a line, then move BYTES over the same
    APP bequeath CHILD ...like move  connect, move 2 kB, hand the socket to the program CHILD and let go of it
    APP inherit FD ...like move      use that socket
    APP serve                        say "ready", serve until standard input ends
    APP run                          read JSON lines {"argv": [...], "times": n}, run them one after the other, answer

``sent`` and ``received`` are seen from APP. Servers: TCP sink 7001, TCP source 7002, UDP sink 7003, UDP source 7004;
a source is asked with 16 bytes, size and pause in microseconds between blocks of 28 kB, and answers with so many.
"""

import os
import socket
import struct
import sys
import time

ASK = struct.Struct("!QQ")
BLOCK = 28_000
DATAGRAM = 1400
PORTS = {("tcp", "sent"): 7001, ("tcp", "received"): 7002, ("udp", "sent"): 7003, ("udp", "received"): 7004}


def connect(protocol: str, address: str, direction: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM)
    if protocol == "udp":
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
    made.settimeout(10)
    made.connect((address, PORTS[protocol, direction]))
    return made


def transfer(link: socket.socket, direction: str, size: int, pause_s: float) -> None:
    stream = link.type == socket.SOCK_STREAM
    if direction == "sent":
        pour(link, size, pause_s, None if stream else link.getpeername())
        return
    link.sendall(ASK.pack(size, int(pause_s * 1e6)))
    if not stream:
        link.settimeout(2)
    while size > 0:
        try:
            size -= len(link.recv(65536))
        except TimeoutError:  # a lost datagram is not ours to mend: the interface's counters are the truth
            return


def pour(link: socket.socket, size: int, pause_s: float, to: tuple[object, ...] | None) -> None:
    while size > 0:
        block = min(BLOCK, size)
        if link.type == socket.SOCK_STREAM:
            link.sendall(bytes(block))
        else:
            for at in range(0, block, DATAGRAM):
                link.sendto(bytes(min(DATAGRAM, block - at)), to or link.getpeername())
        size -= block
        # An unpaced burst of datagrams would overrun the receiver, and the case would measure that.
        time.sleep(max(pause_s, 0.001 if link.type == socket.SOCK_DGRAM else 0))


def move(protocol: str, address: str, direction: str, size: str, count: str = "1", pause_ms: str = "0") -> None:
    for _ in range(int(count)):
        with connect(protocol, address, direction) as link:
            transfer(link, direction, int(size), float(pause_ms) / 1000)


def hold(protocol: str, address: str, direction: str, size: str, count: str = "1", pause_ms: str = "0") -> None:
    with connect(protocol, address, direction) as link:
        transfer(link, direction, 2000, 0)
        say("ready")
        sys.stdin.readline()
        transfer(link, direction, int(size), float(pause_ms) / 1000)


def bequeath(child: str, protocol: str, address: str, direction: str, *rest: str) -> None:
    link = connect(protocol, address, direction)
    transfer(link, direction, 2000, 0)
    link.set_inheritable(True)
    pid = os.fork()
    if pid == 0:
        os.execv(child, [child, "-S", __file__, "inherit", str(link.fileno()), protocol, address, direction, *rest])
    link.close()
    os.waitpid(pid, 0)


def inherit(fd: str, protocol: str, address: str, direction: str, size: str, count: str, pause_ms: str) -> None:
    time.sleep(0.5)  # what a program does before it gets to its socket
    with socket.socket(fileno=int(fd)) as link:
        link.settimeout(10)
        transfer(link, direction, int(size), float(pause_ms) / 1000)


def serve() -> None:
    import threading

    def stream(listener: socket.socket, source: bool) -> None:
        while True:
            link, _ = listener.accept()
            threading.Thread(target=answer, args=(link, source), daemon=True).start()

    def answer(link: socket.socket, source: bool) -> None:
        with link:
            if not source:
                while link.recv(65536):
                    pass
                return
            while len(asked := link.recv(ASK.size, socket.MSG_WAITALL)) == ASK.size:
                size, pause = ASK.unpack(asked)
                pour(link, size, pause / 1e6, None)

    def datagrams(link: socket.socket, source: bool) -> None:
        while True:
            data, peer = link.recvfrom(65536)
            if source and len(data) == ASK.size:
                size, pause = ASK.unpack(data)
                pour(link, size, pause / 1e6, peer)

    for family, any_address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        for (protocol, direction), port in PORTS.items():
            link = socket.socket(family, socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM)
            if family == socket.AF_INET6:
                link.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            link.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
            link.bind((any_address, port))
            if protocol == "tcp":
                link.listen(128)
            work = stream if protocol == "tcp" else datagrams
            threading.Thread(target=work, args=(link, direction == "received"), daemon=True).start()
    say("ready")
    sys.stdin.read()


def run() -> None:
    import json
    import subprocess

    say("ready")
    for line in sys.stdin:
        if not line.strip():
            return
        order = json.loads(line)
        lives_ms = []
        for _ in range(order["times"]):
            began = time.monotonic()
            subprocess.run(order["argv"], check=True, timeout=60)
            lives_ms.append((time.monotonic() - began) * 1000)
        say(json.dumps(lives_ms))


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
