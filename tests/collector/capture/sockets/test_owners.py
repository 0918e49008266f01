"""Whose a socket is: its creator's, its listener's, or that of a child which inherited it."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.capture.sockets.owners import Creator, SocketOwners

V4, V6 = 2, 10
ANY = bytes(16)
HERE = bytes([192, 0, 2, 1]) + bytes(12)


@dataclass
class World:
    """A fake ``/proc`` and socket list."""

    held: dict[int, set[int]] = field(default_factory=dict)
    inodes: dict[int, int] = field(default_factory=dict)
    """Cookie to inode."""
    origins: dict[int, Creator] = field(default_factory=dict)
    """What the programs noted, by cookie."""
    lists: int = 0
    known: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.new()

    def new(self) -> set[int]:
        fresh = set(self.held) - self.known
        self.known |= fresh
        return fresh

    def socket_inodes(self, pid: int) -> set[int]:
        return set(self.held.get(pid, ()))

    def listed(self) -> dict[int, int]:
        self.lists += 1
        return dict(self.inodes)


@pytest.fixture
def world() -> World:
    return World(held={1: set(), 100: {5}}, inodes={77: 5})


def started(world: World) -> SocketOwners:
    return SocketOwners(world, world.listed, world.origins.get)


def test_the_creator_owns_it(world: World) -> None:
    owners = started(world)
    owners.created(77, Creator(100, 9, "curl"))
    assert owners.owner(77) == Creator(100, 9, "curl")
    assert owners.owner(78) is None


@pytest.mark.parametrize(("bound", "accepted"), [(HERE, HERE), (ANY, HERE)])
def test_an_accepted_socket_is_its_listener_s(world: World, bound: bytes, accepted: bytes) -> None:
    owners = started(world)
    owners.created(77, Creator(100, 9))
    owners.listening(77, (V4, bound, 80))
    assert owners.accepted(90, (V4, accepted, 80))
    assert owners.owner(90) == Creator(100, 9)


def test_the_listener_at_the_very_address_goes_before_the_one_at_any(world: World) -> None:
    owners = started(world)
    owners.created(1, Creator(10, 0))
    owners.created(2, Creator(20, 0))
    owners.listening(1, (V4, ANY, 53))
    owners.listening(2, (V4, HERE, 53))
    owners.accepted(90, (V4, HERE, 53))
    assert owners.owner(90) == Creator(20, 0)


def test_nobody_listens_there_so_it_is_nobody_s(world: World) -> None:
    owners = started(world)
    owners.listening(77, (V4, ANY, 80))
    assert not owners.accepted(90, (V4, HERE, 81))
    assert not owners.accepted(91, (V6, ANY, 80))
    assert owners.owner(90) is None


def test_a_straggler_after_the_close_is_still_the_owner_s(world: World) -> None:
    owners = started(world)
    owners.created(77, Creator(100, 9))
    owners.listening(77, (V4, ANY, 80))
    owners.accepted(90, (V4, HERE, 80))
    owners.closed([77, 90])
    assert len(owners) == 0
    assert owners.owner(90) == owners.owner(77) == Creator(100, 9)


def test_a_child_gets_what_its_parent_let_go_of(world: World) -> None:
    owners = started(world)
    owners.created(77, Creator(100, 9))
    world.held = {1: set(), 100: set(), 200: {5}}
    owners.check_inherited(1000)
    assert owners.owner(77) == Creator(200, 1000)


def test_a_child_gets_it_before_the_first_packet_too(world: World) -> None:
    owners = started(world)
    world.origins[77] = Creator(1, 9, "systemd")
    world.held[300] = {5}
    owners.check_inherited(1000)
    owners.created(77, world.origins[77])  # the first packet: the kernel still knows the creator alone
    assert owners.owner(77) == Creator(300, 1000)


def test_a_child_gets_what_its_parent_left_by_ending(world: World) -> None:
    owners = started(world)
    owners.created(77, Creator(100, 9))
    world.held = {1: set(), 200: {5}}
    owners.check_inherited(1000)
    assert owners.owner(77) == Creator(200, 1000)


def test_what_both_hold_stays_the_parent_s_until_it_lets_go(world: World) -> None:
    owners = started(world)
    owners.created(77, Creator(100, 9))
    world.held = {1: set(), 100: {5}, 200: {5}}
    owners.check_inherited(1000)
    assert owners.owner(77) == Creator(100, 9)
    world.held[100] = set()
    for now in range(2000, 2010):
        owners.check_inherited(now)
    owner = owners.owner(77)
    assert owner is not None
    assert owner.pid == 200


def test_a_child_that_closes_its_copy_gets_nothing(world: World) -> None:
    owners = started(world)
    owners.created(77, Creator(100, 9))
    world.held = {1: set(), 100: {5}, 200: {5}}
    owners.check_inherited(1000)
    world.held = {1: set(), 100: set(), 200: set()}
    for now in range(2000, 2010):
        owners.check_inherited(now)
    assert owners.owner(77) == Creator(100, 9)


def test_what_init_opened_for_a_service_is_the_service_s_though_init_holds_it_too(world: World) -> None:
    owners = started(world)
    world.held[1] = {5}
    owners.created(77, Creator(1, 9, "systemd"))
    owners.listening(77, (V6, ANY, 22))
    world.held[300] = {5}
    owners.check_inherited(1000)
    owners.accepted(90, (V6, ANY, 22))
    assert owners.owner(90) == Creator(300, 1000)


def test_a_check_inherited_without_newcomers_reads_no_socket_list(world: World) -> None:
    owners = started(world)
    owners.created(77, Creator(100, 9))
    for now in range(10):
        owners.check_inherited(now)
    assert world.lists == 0


def test_a_lasting_tie_is_looked_at_ever_less_often(world: World) -> None:
    owners = started(world)
    owners.created(77, Creator(100, 9))
    world.held[200] = {5}
    looks = 0
    real = world.socket_inodes

    def counted(pid: int) -> set[int]:
        nonlocal looks
        looks += pid == 100  # the parent
        return real(pid)

    world.socket_inodes = counted  # type: ignore[method-assign] # the fake counts its own calls
    for now in range(300):
        owners.check_inherited(now)
    assert looks < 15


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["create", "listen", "accept", "close"])), max_size=60))
def test_whatever_happens_an_owner_is_a_creator_that_was_told(steps: list[tuple[int, str]]) -> None:
    world = World()
    owners = started(world)
    told = set()
    for cookie, step in steps:
        if step == "create":
            creator = Creator(cookie + 100, 0)
            told.add(creator)
            owners.created(cookie, creator)
        elif step == "listen":
            owners.listening(cookie, (V4, ANY, cookie % 2))
        elif step == "accept":
            owners.accepted(cookie, (V4, HERE, cookie % 2))
        else:
            owners.closed([cookie])
        known = {owners.owner(each) for each in range(6)}
        assert known <= told | {None}
