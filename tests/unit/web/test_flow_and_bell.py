"""How much a token may push, and the bell that keeps nobody waiting."""

from __future__ import annotations

import threading

from workers.web import flow
from workers.web.bell import Bell
from workers.web.flow import Flow


class Watch:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_goes_through_and_then_the_average() -> None:
    watch = Watch()
    limited = Flow(2.0, 3, watch)
    assert [limited.admit(1) for _ in range(3)] == [0, 0, 0]
    assert limited.admit(1) == 0.5
    assert limited.admit(2) == 0, "another token has an allowance of its own"
    watch.now += 0.5
    assert limited.admit(1) == 0
    assert limited.admit(1) == 0.5
    watch.now += 1000
    assert [limited.admit(1) for _ in range(3)] == [0, 0, 0]
    assert limited.admit(1) > 0, "a long pause saves up no more than a burst"


def test_what_a_push_held_is_owed_for() -> None:
    watch = Watch()
    limited = Flow(10.0, 5, watch)
    assert limited.admit(1) == 0
    limited.owe(1, 24)
    assert limited.admit(1) == 2.1
    watch.now += 2.1
    assert limited.admit(1) == 0


def test_tokens_that_were_not_seen_for_long_are_forgotten() -> None:
    limited = Flow(1.0, 1, Watch())
    for token in range(flow.TOKENS + 5):
        limited.admit(token)
    assert limited.admit(0) == 0
    assert limited.admit(flow.TOKENS + 4) > 0


def test_a_bell_rings_once_for_what_comes_while_it_rings() -> None:
    first, go, rung, done = threading.Event(), threading.Event(), list[set[int]](), threading.Event()

    def launch(lanes: set[int]) -> None:
        rung.append(lanes)
        if len(rung) == 1:
            first.set()
            assert go.wait(30)
            raise OSError("no broker")
        done.set()

    bell = Bell(launch)
    bell.ring(set())
    bell.ring({1})
    assert first.wait(30)
    bell.ring({2})
    bell.ring({3, 2})
    go.set()
    assert done.wait(30)
    assert rung == [{1}, {2, 3}]
