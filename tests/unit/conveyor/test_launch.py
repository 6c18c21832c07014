"""What is sent to the broker: chains by name, shared out, and nothing raised where the broker is away."""

from __future__ import annotations

from typing import Any

import pytest
from celery import Signature
from kombu.exceptions import OperationalError

from tasks.conveyor import launch
from tasks.conveyor.order import ORDER, after, from_stage
from tasks.conveyor.turn import Turn
from tests.ground import Rung

BELT = tuple(f"{stage}.run" for stage in ORDER)


def test_chain_leads_through_all_stages_by_name(rung: Rung) -> None:
    launch.launch("convert", {7, 3})
    assert rung.chains == [(("convert.run", "switchboard.run", "policy.run", "alert.run", "refresh.run"), [3, 7])]


def test_chain_begins_where_it_is_told_to(rung: Rung) -> None:
    launch.launch("alert", [1])
    launch.launch("refresh", [1])
    assert rung.chains == [(("alert.run", "refresh.run"), [1]), (("refresh.run",), [1])]


@pytest.mark.parametrize(
    ("lanes", "fanout", "shares"),
    [
        ([], 2, []),
        ([5], 2, [[5]]),
        ([1, 2, 3, 4, 5], 2, [[1, 3, 5], [2, 4]]),
        ([1, 2], 4, [[1], [2]]),
        ([4, 3, 2, 1], 1, [[1, 2, 3, 4]]),
    ],
)
def test_lanes_are_shared_out_to_chains_each_once(
    rung: Rung, lanes: list[int], fanout: int, shares: list[list[int]]
) -> None:
    launch.launch("convert", lanes, fanout)
    assert [part for _, part in rung.chains] == shares
    assert all(steps == BELT for steps, _ in rung.chains)


def test_all_that_a_turn_left_is_rung_for(rung: Rung) -> None:
    launch.follow(
        Turn("policy", raised_lanes={2}, effects=list(range(25)), reads=True, remaining=[4, 5], behind={"alert": [6]})
    )
    assert rung.chains == [
        (BELT[1:], [2]),
        (BELT[2:], [4, 5]),
        (BELT[3:], [6]),
        (("effects.run",), list(range(10))),
        (("effects.run",), list(range(10, 20))),
        (("effects.run",), list(range(20, 25))),
        (("refresh.read",), None),
    ]


def test_turn_that_left_nothing_rings_for_nothing(rung: Rung) -> None:
    launch.follow(Turn("policy", worked=5))
    assert rung.chains == []


def test_messages_take_no_result_of_the_one_before(rung: Rung, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(launch, "_send", sent.append)
    launch.launch("convert", [1])
    launch.launch_catch("lab")
    chain, single = sent
    assert all(step.immutable for step in chain.tasks)
    assert single.immutable


@pytest.mark.parametrize("error", [OperationalError("refused"), ConnectionResetError("reset"), TimeoutError("late")])
def test_broker_that_is_away_is_no_failure_of_the_work(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    tried: list[str] = []

    def refuse(signature: Signature, *_: Any, **__: Any) -> None:
        tried.append(signature["task"])
        raise error

    monkeypatch.setattr(Signature, "apply_async", refuse)
    launch.launch_reads()
    launch.launch("refresh", [1])
    assert tried == ["refresh.read", "refresh.run"]


def test_stages_follow_each_other_to_the_end() -> None:
    assert [after(stage) for stage in ORDER] == [*ORDER[1:], None]
    assert from_stage("policy") == ORDER[2:]
    with pytest.raises(ValueError):
        from_stage("lunch")


def test_backlog_is_shared_until_a_share_has_four_lanes(rung: Rung) -> None:
    launch.follow(Turn("convert", remaining=list(range(16)), full=True))
    assert [len(lanes) for _, lanes in rung.chains] == [8, 8]
    rung.chains.clear()
    launch.follow(Turn("convert", remaining=list(range(7)), full=True))
    launch.follow(Turn("convert", remaining=list(range(16))))
    assert [len(lanes) for _, lanes in rung.chains] == [7, 16]
