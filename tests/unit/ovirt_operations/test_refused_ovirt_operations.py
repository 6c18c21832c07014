"""What becomes of an operation that the engine refuses, cannot do now, or does not answer."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from examples.ovirt.api import Api
from examples.ovirt.running import Engine
from examples.ovirt.wire import Response
from examples.ovirt.world import World
from tasks.model.errors import Permanent, ProviderDown, Transient
from tasks.model.event import ObjectRef
from tasks.providers.contracts import Attempt
from tests.engine_ground import KEY, NOTHING, Hand


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine(World(seed=13)) as running:
        yield running


@pytest.fixture
def hand(engine: Engine) -> Hand:
    return Hand(engine)


@pytest.mark.parametrize("status", ["powering_down", "migrating", "image_locked", "wait_for_launch"])
@pytest.mark.parametrize(
    ("word", "params"),
    [("suspend_server", {}), ("start_server", {}), ("reboot_server", {"type": "soft"}), ("snapshot_server", {})],
)
def test_busy_vm_is_tried_again_later(
    engine: Engine, hand: Hand, status: str, word: str, params: dict[str, Any]
) -> None:
    hand.vm().status = status
    with pytest.raises(Transient, match=rf"is busy \({status}\)"):
        hand.act(word, **params)
    hand.vm().status = "down" if word == "start_server" else "up"
    hand.act(word, attempt=2, **params)


def test_vm_that_does_not_shut_down_can_be_stopped(engine: Engine, hand: Hand) -> None:
    hand.vm().status = "powering_down"
    hand.act("stop_server")
    assert hand.vm().status == "down"


def test_snapshot_waits_for_the_one_that_the_engine_is_at(engine: Engine, hand: Hand) -> None:
    engine.world.vms.snapshot(hand.vm().id, "nightly").status = "locked"
    with pytest.raises(Transient, match=r"busy \(a snapshot is locked\)"):
        hand.act("snapshot_server")
    hand.vm().snapshots[-1].status = "ok"
    hand.act("snapshot_server", attempt=2)


@pytest.mark.parametrize(
    ("status", "word", "params"),
    [
        ("paused", "start_server", {}),
        ("suspended", "stop_server", {}),
        ("down", "suspend_server", {}),
        ("down", "resume_server", {}),
        ("paused", "resume_server", {}),
        ("down", "unpause_server", {}),
        ("suspended", "unpause_server", {}),
        ("down", "reboot_server", {"type": "hard"}),
        ("down", "migrate_server", {"live": True}),
        ("a status to come", "start_server", {}),
    ],
)
def test_impossible_state_is_permanent_and_says_the_status(
    engine: Engine, hand: Hand, status: str, word: str, params: dict[str, Any]
) -> None:
    hand.vm().status = status
    with pytest.raises(Permanent, match=f"Its status is {status}: nothing was done"):
        hand.act(word, **params)
    assert hand.vm().status == status


def test_state_that_was_reached_while_we_asked_is_success(engine: Engine, hand: Hand) -> None:
    vm, act = hand.vm(), engine.world.vms.act

    def quicker(vm_id: str, action: str, actor: Any = None) -> Any:
        act(vm_id, action)
        return act(vm_id, action, actor)

    engine.world.vms.act = quicker  # type: ignore[method-assign]  # somebody is quicker
    assert hand.act("stop_server") == f"server/{vm.id} was stopped already"


def test_vm_that_is_not_there_is_permanent(hand: Hand) -> None:
    for word in ("stop_server", "snapshot_server", "add_server_tag", "delete_snapshots"):
        params = {"tag": "a", "older_than": timedelta(days=1)}
        with pytest.raises(Permanent, match=f"has no server/{NOTHING}"):
            hand.operator.operate(word, ObjectRef("server", NOTHING), params, Attempt(KEY, 1, hand.since))


@pytest.mark.parametrize("path", ["/api/vms/", "/stop"])
def test_404_of_a_web_server_is_tried_again(engine: Engine, hand: Hand, path: str) -> None:
    engine.faults.answer(404, path=path)
    with pytest.raises(ProviderDown, match="not by the engine's word"):
        hand.act("stop_server")
    hand.act("stop_server", attempt=2)


def test_user_who_may_only_look_is_permanent_and_says_how_to_mend_it(engine: Engine) -> None:
    viewer = Hand(engine, username="viewer@internal")
    for word, params in (("stop_server", {}), ("snapshot_server", {}), ("add_server_tag", {"tag": "a"})):
        with pytest.raises(Permanent, match=r"does not let the user .*403.* role"):
            viewer.act(word, **params)
    assert viewer.vm().status == "up"


def test_wrong_password_is_permanent_and_is_not_shown(engine: Engine) -> None:
    with pytest.raises(Permanent, match="refuses the credentials") as raised:
        Hand(engine, password="hunter2").act("stop_server")
    assert "hunter2" not in str(raised.value)


def test_token_that_ran_out_is_renewed(engine: Engine, hand: Hand) -> None:
    hand.act("stop_server")
    engine.expire_tokens()
    hand.act("start_server")
    engine.faults.answer(401, times=2, path="/stop")
    with pytest.raises(Permanent, match="refuses the credentials"):
        hand.act("stop_server")


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("path", ["/vms/", "/stop"])
def test_pause_that_the_engine_asks_for_is_kept(engine: Engine, hand: Hand, status: int, path: str) -> None:
    engine.faults.answer(status, path=path, retry_after="17")
    with pytest.raises(Transient) as raised:
        hand.act("stop_server")
    assert raised.value.after == 17.0
    hand.act("stop_server", attempt=2)
    assert hand.vm().status == "down"


@pytest.mark.parametrize("status", [500, 502, 504])
def test_fault_of_the_engine_is_tried_again(engine: Engine, hand: Hand, status: int) -> None:
    engine.faults.answer(status, path="/stop")
    with pytest.raises(ProviderDown):
        hand.act("stop_server")


@pytest.mark.parametrize(
    ("word", "params", "path"),
    [
        ("stop_server", {}, "/stop"),
        ("suspend_server", {}, "/suspend"),
        ("reboot_server", {"type": "soft"}, "/reboot"),
        ("reboot_server", {"type": "hard"}, "/reset"),
        ("snapshot_server", {}, "/snapshots"),
        ("migrate_server", {"live": True}, "/migrate"),
    ],
)
def test_deed_whose_answer_was_lost_is_not_done_again(
    engine: Engine, hand: Hand, word: str, params: dict[str, Any], path: str
) -> None:
    before = len(hand.vm().deeds)
    # The snapshot's own address is read first: only the order itself is lost.
    engine.faults.lose(path=path, times=1) if word != "snapshot_server" else _lose_posts(engine, path)
    with pytest.raises(ProviderDown):
        hand.act(word, **params)
    assert len(hand.vm().deeds) == before + 1
    assert "already" in hand.act(word, attempt=2, **params)
    assert len(hand.vm().deeds) == before + 1


def _lose_posts(engine: Engine, path: str) -> None:
    take = engine.api.answer

    def lose(request: Any) -> Response:
        found = take(request)
        if request.method == "POST" and request.path.endswith(path):
            engine.api.answer = take  # type: ignore[method-assign]  # once
            return Response(504, "gateway", content_type="text/plain")
        return found

    engine.api.answer = lose  # type: ignore[method-assign]  # the answer is lost on its way


def test_random_faults_do_a_deed_once(engine: Engine, hand: Hand) -> None:
    dice = random.Random(11)
    for number in range(25):
        before = hand.vm().deeds.count("reboot")
        for attempt in range(1, 30):
            fault = dice.choice(["lose", "truncate", "garbage", "reset", "status", "none"])
            path = dice.choice(["/reboot", "/vms/"])
            if fault == "status":
                engine.faults.answer(dice.choice([429, 500, 503]), path=path)
            elif fault != "none":
                getattr(engine.faults, fault)(path=path)
            try:
                hand.act("reboot_server", attempt=attempt, key=f"effect {number}")
            except Transient:
                continue
            break
        else:
            pytest.fail("no try came through")
        engine.faults.clear()
        assert hand.vm().deeds.count("reboot") == before + 1


def test_user_who_may_not_see_events_has_it_done_again(engine: Engine, hand: Hand) -> None:
    hand.act("reboot_server")
    engine.faults.answer(403, path="/events")
    hand.act("reboot_server", attempt=2)
    assert hand.vm().deeds.count("reboot") == 2


def test_messages_carry_neither_token_nor_password(engine: Engine, hand: Hand) -> None:
    hand.act("stop_server")
    [token] = engine.tokens._tokens
    for kind in ("reset", "garbage", "truncate"):
        getattr(engine.faults, kind)(path="/vms/")
        with pytest.raises(Transient) as raised:
            hand.act("start_server")
        assert token not in str(raised.value)
        assert "secret" not in str(raised.value)


def test_words_of_the_engine_are_one_bounded_line(engine: Engine, hand: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = Api.answer

    def odd(self: Api, request: Any) -> Response:
        if request.method == "POST":
            return Response(409, {"reason": "Operation Failed", "detail": "odd\n\x1b[31m\u202e" + "x" * 5000})
        return answer(self, request)

    monkeypatch.setattr(Api, "answer", odd)
    hand.vm().status = "up\n\x1b[31m"
    with pytest.raises(Permanent) as raised:
        hand.act("suspend_server")
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 600


@pytest.mark.parametrize("body", ["[]", "{}", '{"id": "x", "status": "up"}', '{"status": "up"}', "null", "["])
def test_answers_that_are_no_vm_are_tried_again(
    engine: Engine, hand: Hand, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    key = hand.vm().id
    monkeypatch.setattr(Api, "answer", lambda *_: Response(200, body))
    with pytest.raises(ProviderDown):
        hand.operator.operate("stop_server", ObjectRef("server", key), {}, Attempt(KEY, 1, hand.since))


def test_kind_word_or_id_that_does_not_fit_never_reaches_the_engine(engine: Engine, hand: Hand) -> None:
    attempt = Attempt(KEY, 1, hand.since)
    for word, ref in (
        ("stop_server", ObjectRef("disk", NOTHING)),
        ("explode", ObjectRef("server", NOTHING)),
        ("shelve_server", ObjectRef("server", NOTHING)),
        ("stop_server", ObjectRef("server", "../hosts/x")),
        ("stop_server", ObjectRef("server", "..")),
        ("stop_server", ObjectRef("server", "web-1")),
    ):
        with pytest.raises(Permanent):
            hand.operator.operate(word, ref, {}, attempt)
    assert engine.requests.total() == 0
