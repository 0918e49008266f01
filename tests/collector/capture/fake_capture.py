"""A capture backend by hand: the test says what moved."""

from collections import deque

from collector.capture import CaptureUnavailable, Delta, Owner, Sample


class FakeCapture:
    """``collector.capture.Capture``: each poll hands over the next of ``samples``, or raises ``failure``."""

    def __init__(self, name: str = "fake", *, refuses: str = "") -> None:
        self.name = name
        self.blind_to: tuple[str, ...] = ("everything real",)
        self.refuses = refuses
        self.failure: Exception | None = None
        self.samples: deque[Sample] = deque()
        self.started = self.stopped = self.polls = 0

    def start(self) -> None:
        if self.refuses:
            raise CaptureUnavailable(self.refuses)
        self.started += 1

    def poll(self) -> Sample:
        self.polls += 1
        if self.failure is not None:
            raise self.failure
        return self.samples.popleft() if self.samples else Sample(())

    def stop(self) -> None:
        self.stopped += 1

    def moved(self, *deltas: Delta, lost: int = 0, notes: tuple[str, ...] = ()) -> None:
        """One poll's answer."""
        self.samples.append(Sample(deltas, lost, notes))


def delta(pid: int | None, rx: int = 0, tx: int = 0, *, name: str = "curl", flows: int = 1, started: int = 0) -> Delta:
    """What a process moved; packets of 1000 bytes."""
    owner = None if pid is None else Owner(pid, started, name, f"/usr/bin/{name}")
    return Delta(owner, rx, tx, -(-rx // 1000), -(-tx // 1000), flows)
