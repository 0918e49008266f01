"""The reference count around a raw handle."""

import threading

import pytest

from qos.packets.divert.errors import Drained
from qos.packets.divert.native_handle import NativeHandle


def test_a_closed_handle_is_freed_once_and_refuses_calls() -> None:
    freed: list[int] = []
    handle = NativeHandle(7, freed.append)
    with handle as raw:
        assert raw == 7
    handle.close(lambda raw: None)
    handle.close(lambda raw: None)
    assert freed == [7]
    with pytest.raises(Drained), handle:
        pass


def test_close_waits_for_the_call_under_way_after_waking_it() -> None:
    freed: list[int] = []
    inside, woken = threading.Event(), threading.Event()
    freed_inside: list[bool] = []
    handle = NativeHandle(7, freed.append)

    def call() -> None:
        with handle:
            inside.set()
            woken.wait(10)
            freed_inside.append(bool(freed))

    thread = threading.Thread(target=call)
    thread.start()
    inside.wait(10)
    handle.close(lambda raw: woken.set())
    thread.join(10)
    assert (freed, freed_inside) == ([7], [False])


def test_a_call_that_outlasts_close_frees_the_handle_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qos.packets.divert.native_handle._LEAVE_S", 0.02)
    freed: list[int] = []
    handle = NativeHandle(7, freed.append)
    with handle:
        other = threading.Thread(target=handle.close, args=(lambda raw: None,))
        other.start()
        other.join(10)
        assert freed == []
    assert freed == [7]


def test_many_threads_never_see_a_freed_handle() -> None:
    for _ in range(50):
        freed: list[int] = []
        bad: list[str] = []
        handle = NativeHandle(7, freed.append)

        def use(handle: NativeHandle = handle, freed: list[int] = freed, bad: list[str] = bad) -> None:
            try:
                while True:
                    with handle:
                        if freed:
                            bad.append("used after free")
            except Drained:
                return

        threads = [threading.Thread(target=use) for _ in range(4)]
        for thread in threads:
            thread.start()
        closers = [threading.Thread(target=handle.close, args=(lambda raw: None,)) for _ in range(2)]
        for thread in closers:
            thread.start()
        for thread in threads + closers:
            thread.join(10)
        assert (freed, bad) == ([7], [])
