"""One batch: every good line arrives, every bad one is set aside with its reason, nothing is thrown away in doubt."""

from collections.abc import Callable, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from qos.shipping.delivery import Delivery
from qos.shipping.outcomes import BadLines, Denied, Ok, Retry, TooLarge, WriteOutcome

Server = Callable[[Sequence[str]], WriteOutcome]


def run(delivery: Delivery, server: Server) -> int:
    """Send until it is over; how many requests that took."""
    requests = 0
    while (chunk := delivery.chunk()) is not None:
        assert chunk, "an empty request"
        delivery.answer(server(chunk))
        requests += 1
        assert requests < 20_000
    return requests


class Database:
    """Refuses lines of ``bad``: the whole batch (400), or only those (``partial``, 422). Takes ``most`` at once."""

    def __init__(self, bad: set[str], *, partial: bool = False, most: int = 10**9) -> None:
        self.bad, self.partial, self.most = bad, partial, most
        self.kept: set[str] = set()

    def __call__(self, lines: Sequence[str]) -> WriteOutcome:
        if len(lines) > self.most:
            return TooLarge("413")
        refused = [line for line in lines if line in self.bad]
        if not refused:
            self.kept |= set(lines)
            return Ok()
        if not self.partial:
            return BadLines("400 unable to parse")
        self.kept |= set(lines) - self.bad
        return BadLines("422 partial write", len(refused))


LINES = [f"m v={i}i {i}" for i in range(200)]


@settings(deadline=None)
@given(
    count=st.integers(1, 200),
    bad=st.sets(st.integers(0, 199), max_size=12),
    partial=st.booleans(),
    most=st.integers(1, 300),
    largest=st.integers(1, 300),
)
def test_good_lines_arrive_and_bad_ones_are_set_aside(
    count: int, bad: set[int], partial: bool, most: int, largest: int
) -> None:
    lines = LINES[:count]
    server = Database({LINES[i] for i in bad}, partial=partial, most=most)
    delivery = Delivery(lines, largest=largest)
    run(delivery, server)
    refused = set(lines) & server.bad
    if delivery.failure is None:
        assert server.kept == set(lines) - refused
        assert sorted(r.line for r in delivery.rejected) == sorted(refused)
    else:
        # In doubt the whole batch stays: nothing was accepted, and eight lines or all of them were refused.
        assert isinstance(delivery.failure, Denied)
        assert not server.kept
        assert len(refused) >= min(8, len(lines))


def test_one_bad_line_costs_a_logarithm_of_requests() -> None:
    delivery = Delivery(LINES, largest=1000)
    assert run(delivery, Database({LINES[137]})) <= 2 * 8 + 1
    assert [r.line for r in delivery.rejected] == [LINES[137]]
    assert delivery.rejected[0].reason == "400 unable to parse"


def test_points_that_are_all_too_old_are_set_aside_in_one_request() -> None:
    delivery = Delivery(LINES, largest=1000)
    assert run(delivery, Database(set(LINES), partial=True)) == 1
    assert len(delivery.rejected) == 200


def test_a_server_that_refuses_every_line_is_a_persons_problem_and_nothing_is_set_aside() -> None:
    delivery = Delivery(LINES[:9], largest=1000)
    run(delivery, lambda _: BadLines("400 bad gateway page"))
    assert delivery.failure == Denied("every line is refused: 400 bad gateway page")


def test_a_server_that_refuses_every_line_is_not_asked_about_each() -> None:
    lines = [f"m v={i}i {i}" for i in range(5000)]
    assert run(Delivery(lines, largest=5000), lambda _: BadLines("400 bad gateway page")) < 120


def test_the_first_half_of_a_batch_may_be_bad() -> None:
    delivery = Delivery(LINES, largest=1000)
    server = Database(set(LINES[:100]))
    run(delivery, server)
    assert delivery.failure is None
    assert server.kept == set(LINES[100:])
    assert len(delivery.rejected) == 100


def test_a_single_bad_line_is_set_aside_when_the_server_took_others_a_moment_ago() -> None:
    delivery = Delivery(LINES[:1], largest=1000, trusted=True)
    run(delivery, lambda _: BadLines("400 unable to parse"))
    assert delivery.failure is None
    assert [r.line for r in delivery.rejected] == LINES[:1]


def test_too_large_halves_and_remembers_what_fitted() -> None:
    delivery = Delivery(LINES, largest=1000)
    server = Database(set(), most=60)
    run(delivery, server)
    assert server.kept == set(LINES)
    assert delivery.largest == 50


def test_a_line_that_is_too_large_by_itself_is_set_aside() -> None:
    def server(lines: Sequence[str]) -> WriteOutcome:
        return TooLarge("413") if "big" in lines else Ok()

    delivery = Delivery(["a", "big", "b"], largest=10)
    run(delivery, server)
    assert delivery.failure is None
    assert [r.line for r in delivery.rejected] == ["big"]


def test_a_failure_in_the_middle_ends_the_batch() -> None:
    answers: list[WriteOutcome] = [Ok(), Retry("503")]
    delivery = Delivery(LINES, largest=50)
    assert run(delivery, lambda _: answers.pop(0)) == 2
    assert delivery.failure == Retry("503")
    assert delivery.chunk() is None


def test_an_empty_batch_asks_nothing() -> None:
    delivery = Delivery([], largest=5)
    assert delivery.chunk() is None
    assert delivery.failure is None
