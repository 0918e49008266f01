"""The labelled scenarios of bench/lag.py: what happens, and who made it. A third of the parameters is drawn by seed."""

import random
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from bench.lag_lab import SERVER4, SERVER6, LagLab

EXTERNAL = frozenset({"others", "provider"})
"""Another device or the provider: nothing that this computer can measure tells them apart."""
CULPRITS = ("steam", "backup", "torrent", "onedrive", "update")


Background = tuple[tuple[str, ...], ...]
"""Programs that run beside: each one its words."""


@dataclass(frozen=True)
class Truth:
    """One cause: the causes that are right, the applications of which one must be named, and how long it goes on."""

    causes: frozenset[str]
    apps: frozenset[str] = frozenset()
    seconds: float = 10
    pause: float = 0
    optional: bool = False
    """No incident is right, too (a target that only rate-limits its answers)."""

    at_once: bool = False
    """The pings cannot tell when it began: it follows another one without a pause, or waits in AutoQoS's own queue."""

    def document(self) -> dict[str, Any]:
        return asdict(self) | {"causes": sorted(self.causes), "apps": sorted(self.apps)}

    @classmethod
    def parse(cls, fields: dict[str, Any]) -> Self:
        return cls(**fields | {"causes": frozenset(fields["causes"]), "apps": frozenset(fields["apps"])})


@dataclass(frozen=True)
class Scenario:
    """``acts`` run one after the other, each with its truth; an empty truth means that nothing is wrong."""

    name: str
    acts: tuple[tuple[Callable[[LagLab], Callable[[], None]], Truth | None], ...]
    background: Background = ()
    enforces: bool = False
    """It needs an enforcer."""


@dataclass
class Draw:
    """The random third, and the line that the rates are made for."""

    random: random.Random
    down: float
    up: float
    made: list[Scenario] = field(default_factory=list)

    def culprit(self) -> str:
        return self.random.choice(CULPRITS)

    def between(self, low: float, high: float) -> float:
        return self.random.uniform(low, high)

    def host(self) -> str:
        return SERVER4

    def add(self, name: str, *acts: Any, background: Background = (), enforces: bool = False) -> None:
        self.made.append(Scenario(name, tuple(acts), background, enforces))


def traffic(app: str, *words: str, where: str = "h", host: str = SERVER4) -> Callable[[LagLab], Callable[[], None]]:
    def begin(lab: LagLab) -> Callable[[], None]:
        program = lab.app(app, *words, host, where=where)
        return lambda: lab.stop(program)

    return begin


def both(*parts: Callable[[LagLab], Callable[[], None]]) -> Callable[[LagLab], Callable[[], None]]:
    def begin(lab: LagLab) -> Callable[[], None]:
        ends = [part(lab) for part in parts]

        def stop() -> None:
            for end in ends:
                end()

        return stop

    return begin


def delayed(*names: str, ms: float = 0, jitter: float = 0, loss: float = 0) -> Callable[[LagLab], Callable[[], None]]:
    def begin(lab: LagLab) -> Callable[[], None]:
        for name in names:
            base = lab.base[name]  # type: ignore[attr-defined]  # set by the runner
            lab.delays[name].set(base[0] + ms, base[1] + jitter, loss or base[2])

        def stop() -> None:
            for name in names:
                lab.delays[name].set(*lab.base[name])  # type: ignore[attr-defined]  # idem

        return stop

    return begin


def limited(app: str, *words: str) -> Callable[[LagLab], Callable[[], None]]:
    """Held by AutoQoS itself: ``autoqos limit`` with these words."""

    def begin(lab: LagLab) -> Callable[[], None]:
        lab.console("limit", app, *words)
        lab.limited.add(app)
        return lambda: None  # until the scenario is over, or what was held back would come as a flood

    return begin


def nothing(lab: LagLab) -> Callable[[], None]:
    return lambda: None


def scenarios(seed: int, down: float, up: float) -> list[Scenario]:
    d = Draw(random.Random(seed), down, up)
    mbit = 1_000_000
    zoom, video, web = ("zoom", "call", "40"), ("browser", "video", "40", f"rate={int(down * 0.25 * mbit)}"), (
        "browser", "web", "40", "off=3")  # fmt: skip

    def own(*apps: str, seconds: float = 10) -> Truth:
        return Truth(frozenset({"application"}), frozenset(apps), seconds)

    far = ("far", "one")
    bulks: tuple[tuple[str, str, Background], ...] = (
        ("1", "down", ()), ("4", "down", (zoom,)), ("8", "down", (video,)), ("2", "down", (web,)),
        ("1", "up", ()), ("3", "up", (zoom,)), ("4", "up", (video,)), ("2", "up", (web,)),
    )  # fmt: skip
    for n, way, background in bulks:
        app = d.culprit()
        act = traffic(app, "bulk", "11", f"dir={way}", f"n={n}")
        d.add(f"bulk {way} n={n}", (act, own(app)), background=background)
    for _ in range(5):
        app, way, n = d.culprit(), d.random.choice(("down", "up")), str(d.random.randint(1, 8))
        seconds = d.between(6, 14)
        act = traffic(app, "bulk", f"{seconds}", f"dir={way}", f"n={n}")
        d.add(
            f"bulk drawn {way} n={n}",
            (act, own(app, seconds=seconds)),
            background=(d.random.choice((zoom, video, web)),),
        )
    for n in ("1", "4"):
        app = d.culprit()
        d.add(f"bulk both ways n={n}", (traffic(app, "bulk", "11", "dir=both", f"n={n}"), own(app)))
    for way in ("down", "up"):
        two = d.random.sample(CULPRITS, 2)
        act = both(*(traffic(app, "bulk", "11", f"dir={way}", "n=3") for app in two))
        d.add(f"two apps {way}", (act, own(*two)), background=(zoom,))
    for way in ("up", "down", d.random.choice(("up", "down"))):
        app, rate = d.culprit(), (up if way == "up" else down) * d.between(1.2, 1.7)
        act = traffic(app, "ramp", "22", f"dir={way}", f"rate={int(rate * mbit)}", "ramp=14")
        if way == "down":  # the server does not ramp: more and more connections do
            act = both(*(later(traffic(app, "bulk", f"{20 - 3 * i}", "n=1"), 3.0 * i) for i in range(5)))
        d.add(f"slow riser {way}", (act, own(app, seconds=20)))
    for on, off, way in ((2.0, 2.0, "down"), (1.5, 3.0, "up"), (d.between(1.2, 2.5), d.between(1, 4), "down")):
        app = d.culprit()
        act = traffic(app, "bursts", "16", f"dir={way}", "n=1", f"on={on}", f"off={off}")
        d.add(f"bursts {way} {on:.1f}/{off:.1f}", (act, own(app, seconds=16)), background=(zoom,))
    for count in (8, 16, d.random.randint(6, 24)):
        app = d.culprit()
        act = traffic(app, "many", "11", f"n={count}", f"bytes={d.random.randint(50_000, 400_000)}")
        d.add(f"many connections n={count}", (act, own(app)))
    for way, over in (("down", 1.2), ("up", 1.2), ("down", d.between(1.05, 1.6)), ("up", d.between(1.05, 1.6))):
        app, line = d.culprit(), down if way == "down" else up
        act = traffic(app, "udp", "11", f"dir={way}", f"rate={int(line * over * mbit)}")
        d.add(f"udp {way} x{over:.2f}", (act, own(app)), background=(zoom,))
    for kind, way in (("bulk", "down"), ("bulk", "up"), ("many", "down"), ("udp", "up")):
        app = d.culprit()
        words = {"bulk": ("n=4",), "many": ("n=10",), "udp": (f"rate={int(up * 1.3 * mbit)}",)}[kind]
        d.add(f"ipv6 {kind} {way}", (traffic(app, kind, "11", f"dir={way}", *words, host=SERVER6), own(app)))
    outside = Truth(EXTERNAL)
    half = ("game", "video", "40", f"rate={int(down * 0.4 * mbit)}")
    outsides: tuple[tuple[int, str, Background], ...] = (
        (4, "down", ()), (8, "down", (zoom,)), (4, "up", (zoom,)), (6, "down", (video,)), (8, "down", (web,)),
        (4, "up", (video,)), (6, "down", (half, zoom)),
        (d.random.randint(2, 10), "down", (d.random.choice((video, web, half)),)),
        (d.random.randint(2, 6), "up", (d.random.choice((video, web)),)),
    )  # fmt: skip
    for connections, way, background in outsides:
        act = traffic("neighbour", "bulk", "11", f"dir={way}", f"n={connections}", where="x")
        d.add(f"other device {way} n={connections}", (act, outside), background=background)
    late = both(
        traffic("neighbour", "bulk", "13", "n=6", where="x"),
        later(traffic("browser", "web", "9", "off=1"), 1.0),
    )
    d.add("other device, then browsing", (late, Truth(EXTERNAL, seconds=12)))
    local = Truth(frozenset({"local_network"}))
    for ms, jitter, background in (
        (80, 20, ()),
        (50, 40, (zoom,)),
        (150, 60, (video,)),
        (d.between(45, 200), d.between(5, 60), (d.random.choice((web, video)),)),
    ):
        d.add(f"wifi slow +{ms:.0f}", (delayed("wifi", ms=ms, jitter=jitter), local), background=background)
    for loss in (0.3, d.between(0.2, 0.5)):
        d.add(
            f"wifi lossy {loss:.0%}",
            (delayed("wifi", loss=loss), Truth(frozenset({"local_network"}), seconds=14)),
            background=(zoom,),
        )
    for ms, jitter, background in (
        (80, 10, ()),
        (60, 30, (zoom,)),
        (200, 50, (video,)),
        (d.between(40, 250), d.between(0, 40), (web,)),
    ):
        d.add(f"provider slow +{ms:.0f}", (delayed(*far, ms=ms, jitter=jitter), outside), background=background)
    for loss in (0.3, d.between(0.2, 0.5)):
        d.add(f"provider lossy {loss:.0%}", (delayed(*far, loss=loss), Truth(EXTERNAL, seconds=14)), background=(zoom,))
    d.add("provider gone", (delayed(*far, loss=1.0), outside))
    one = frozenset({"target"})
    for ms in (100, d.between(50, 300)):
        d.add(
            f"one target slow +{ms:.0f}",
            (delayed("one", ms=ms, jitter=10), Truth(one, seconds=12)),
            background=(video,),
        )
    d.add("one target drops half of its answers", (delayed("one", loss=0.5), Truth(one, seconds=14, optional=True)))
    app = d.culprit()
    d.add(
        "two causes in a row",
        (traffic(app, "bulk", "9", "n=4"), own(app, seconds=8)),
        (nothing, None),
        (traffic("neighbour", "bulk", "11", "n=8", where="x"), outside),
        background=(zoom,),
    )
    app = d.culprit()
    d.add(
        "wifi, then an app",
        (delayed("wifi", ms=100, jitter=20), Truth(frozenset({"local_network"}), seconds=8)),
        (nothing, None),
        (traffic(app, "bulk", "11", "dir=up", "n=4"), own(app)),
    )
    _at_once(d, zoom)
    _own_limits(d, video)
    quiet: tuple[Background, ...] = ((), (video,), (web, zoom))
    for background in quiet:
        d.add("quiet", (nothing, Truth(frozenset(), seconds=15)), background=background)
    d.random.shuffle(d.made)
    return d.made


def _at_once(d: Draw, call: tuple[str, ...]) -> None:
    """A second cause that begins when the first one ends, so that the lag never does."""
    neighbour = traffic("neighbour", "bulk", "14", "n=8", where="x")
    outside = Truth(EXTERNAL, seconds=13, at_once=True)
    app, other = d.random.sample(CULPRITS, 2)
    bulk = traffic(app, "bulk", "10", "n=4")
    own = Truth(frozenset({"application"}), frozenset({app}), 10)
    d.add("an app, at once another device", (bulk, own), (neighbour, outside), background=(call,))
    then = traffic(other, "bulk", "14", "n=6")
    follows = Truth(frozenset({"application"}), frozenset({other}), 13, at_once=True)
    d.add("another device, at once an app", (neighbour, Truth(EXTERNAL, seconds=12)), (then, follows))


def _own_limits(d: Draw, video: tuple[str, ...]) -> None:
    """AutoQoS itself holds somebody: so that it waits in our queue, and so that it does not."""
    mine = Truth(frozenset({"own_limit"}), seconds=12, at_once=True)
    for way, line, share in (("up", d.up, 0.3), ("down", d.down, 0.25), ("up", d.up, d.between(0.15, 0.4))):
        rate = line * share
        app = d.random.choice(("zoom", "game"))
        busy: Background = ((app, "udp", "40", f"dir={way}", f"rate={int(rate * 1e6)}"),)
        act = limited(app, f"--{way}", f"{rate * d.between(0.4, 0.75):.2f}mbit")
        d.add(f"own limit {way}", (act, mine), background=busy, enforces=True)
    app = d.culprit()
    rate = d.down * d.between(0.15, 0.3)
    held = limited(app, "--down", f"{rate:.2f}mbit")
    bulk: Background = ((app, "bulk", "45", "n=3", f"rate={int(rate * 1.3e6 / 3)}"),)
    d.add("limited, nothing wrong", (held, Truth(frozenset(), seconds=15)), background=bulk, enforces=True)
    act = both(held, later(traffic("neighbour", "bulk", "11", "n=8", where="x"), 3))
    d.add("limited, another device", (act, Truth(EXTERNAL, seconds=13)), background=(*bulk, video), enforces=True)


def later(part: Callable[[LagLab], Callable[[], None]], seconds: float) -> Callable[[LagLab], Callable[[], None]]:
    def begin(lab: LagLab) -> Callable[[], None]:
        ends: list[Callable[[], None]] = []
        timer = threading.Timer(seconds, lambda: ends.append(part(lab)))
        timer.start()

        def end() -> None:
            timer.cancel()
            for each in ends:
                each()

        return end

    return begin
