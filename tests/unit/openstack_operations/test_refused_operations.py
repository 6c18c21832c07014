"""What becomes of an operation that the cloud refuses, cannot do now, or does not answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from examples.cloud import compute_api
from examples.cloud.running import Cloud
from examples.cloud.world import World
from tasks.model import clock
from tasks.model.errors import Permanent, ProviderDown, Transient
from tasks.model.event import ObjectRef
from tasks.providers.contracts import Attempt, ProviderConfig
from tasks.providers.openstack.operations import OpenStackOperator
from tests.operator_ground import KEY, NOTHING, Hand

# openstacksdk warns of its own use of what it is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning", "ignore::DeprecationWarning")


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud(World(seed=13)) as running:
        yield running


@pytest.fixture
def hand(cloud: Cloud, tmp_path: Path) -> Iterator[Hand]:
    found = Hand(cloud, tmp_path)
    yield found
    found.operator.close()


@pytest.mark.parametrize(
    ("word", "params"),
    [("stop_server", {}), ("reboot_server", {"type": "soft"}), ("snapshot_server", {}), ("shelve_server", {})],
)
def test_busy_server_is_tried_again_later(cloud: Cloud, hand: Hand, word: str, params: dict[str, Any]) -> None:
    hand.server().task_state = "powering-off"
    with pytest.raises(Transient, match=r"is busy \(powering-off\)"):
        hand.act(word, **params)
    hand.server().task_state = None
    hand.act(word, attempt=2, **params)


def test_server_that_is_just_being_stopped_is_not_taken_for_a_running_one(cloud: Cloud, hand: Hand) -> None:
    hand.server().task_state = "powering-off"
    with pytest.raises(Transient, match="is busy"):
        hand.act("start_server")


@pytest.mark.parametrize(
    ("state", "word", "params"),
    [
        ("suspend", "start_server", {}),
        ("stop", "suspend_server", {}),
        ("pause", "resume_server", {}),
        ("stop", "migrate_server", {"live": True}),
    ],
)
def test_impossible_state_is_permanent_and_says_the_status(
    cloud: Cloud, hand: Hand, state: str, word: str, params: dict[str, Any]
) -> None:
    cloud.world.servers.act(hand.server().id, state)
    with pytest.raises(Permanent, match=f"vm_state .*Its status is {hand.server().status}: nothing was done"):
        hand.act(word, **params)


def test_state_that_was_reached_while_we_asked_is_success(cloud: Cloud, hand: Hand) -> None:
    server, act = hand.server(), cloud.world.servers.act

    def quicker(server_id: str, action: str, actor: Any = None) -> Any:
        act(server_id, action)
        return act(server_id, action, actor)

    cloud.world.servers.act = quicker  # type: ignore[method-assign]  # somebody is quicker
    assert hand.act("stop_server") == f"server/{server.id} was stopped already"


def test_server_that_is_not_there_is_permanent(hand: Hand) -> None:
    for word in ("stop_server", "snapshot_server", "add_server_tag"):
        with pytest.raises(Permanent, match=f"has no server/{NOTHING}"):
            hand.operator.operate(word, ObjectRef("server", NOTHING), {"tag": "a"}, Attempt(KEY, 1, hand.since))


def test_404_of_a_proxy_is_tried_again(cloud: Cloud, hand: Hand) -> None:
    hand.act("stop_server")
    cloud.expire_tokens()
    cloud.faults.answer(404, path="/auth/tokens")
    with pytest.raises(ProviderDown):
        hand.act("start_server")
    hand.act("start_server", attempt=2)


@pytest.mark.parametrize(("word", "params"), [("migrate_server", {"live": True}), ("evacuate_server", {})])
def test_403_is_permanent_and_says_how_to_mend_it(
    cloud: Cloud, tmp_path: Path, word: str, params: dict[str, Any]
) -> None:
    alice = Hand(cloud, tmp_path, user="alice", project="research")
    alice.act("stop_server", on="alice-1")
    with pytest.raises(Permanent, match=r"does not let the user .*403: Policy doesn't allow.* role"):
        alice.act(word, on="alice-1", **params)


def test_server_of_another_project_is_not_there(cloud: Cloud, tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="has no server/"):
        Hand(cloud, tmp_path, user="alice", project="research").act("stop_server")
    assert cloud.world.servers.named("web-1").status == "ACTIVE"


def test_locked_server_is_permanent(cloud: Cloud, tmp_path: Path) -> None:
    alice = Hand(cloud, tmp_path, user="alice", project="research")
    alice.server("alice-1").locked = True
    with pytest.raises(Permanent, match="is locked"):
        alice.act("stop_server", on="alice-1")


def test_wrong_password_is_permanent_and_names_the_file(cloud: Cloud, tmp_path: Path) -> None:
    with pytest.raises(Permanent, match=r"clouds\.yaml") as raised:
        Hand(cloud, tmp_path, password="guess").act("stop_server")
    assert "guess" not in str(raised.value)


def test_token_that_ran_out_is_renewed(cloud: Cloud, hand: Hand) -> None:
    hand.act("stop_server")
    cloud.expire_tokens()
    hand.act("start_server")
    cloud.faults.answer(401, times=2, path="/action")
    with pytest.raises(Permanent, match="refuses the credentials"):
        hand.act("stop_server")


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("path", ["/servers/", "/action"])
def test_pause_that_the_cloud_asks_for_is_kept(cloud: Cloud, hand: Hand, status: int, path: str) -> None:
    hand.act("add_server_tag", tag="a")
    cloud.faults.answer(status, path=path, retry_after="17")
    with pytest.raises(Transient) as raised:
        hand.act("stop_server")
    assert raised.value.after == 17.0
    hand.act("stop_server", attempt=2)
    assert hand.server().status == "SHUTOFF"


@pytest.mark.parametrize("status", [500, 502, 504])
def test_fault_of_the_service_is_tried_again(cloud: Cloud, hand: Hand, status: int) -> None:
    cloud.faults.answer(status, path="/action")
    with pytest.raises(ProviderDown):
        hand.act("stop_server")


@pytest.mark.parametrize(
    ("word", "params"),
    [
        ("stop_server", {}),
        ("shelve_server", {}),
        ("reboot_server", {"type": "hard"}),
        ("snapshot_server", {}),
        ("migrate_server", {"live": True}),
        ("migrate_server", {"live": False}),
    ],
)
def test_deed_whose_answer_was_lost_is_not_done_again(
    cloud: Cloud, hand: Hand, word: str, params: dict[str, Any]
) -> None:
    cloud.faults.lose(path="/action")
    with pytest.raises(ProviderDown):
        hand.act(word, **params)
    assert len(hand.server().deeds) == 1
    images = len(cloud.world.images)
    assert "already" in hand.act(word, attempt=2, **params)
    assert (len(hand.server().deeds), len(cloud.world.images)) == (1, images)


def test_nova_that_is_too_old_for_an_operation_is_named(
    cloud: Cloud, hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compute_api, "HIGHEST", (2, 20))
    for word, params, version in (
        ("add_server_tag", {"tag": "a"}, "2.26"),
        ("remove_server_tag", {"tag": "a"}, "2.26"),
        ("migrate_server", {"live": True}, "2.25"),
        ("migrate_server", {"live": True, "host": "compute1"}, "2.30"),
        ("migrate_server", {"live": False, "host": "compute1"}, "2.56"),
    ):
        with pytest.raises(Permanent, match=f"needs nova's microversion {version}: this nova is older"):
            hand.act(word, **params)  # type: ignore[arg-type]  # the parameters differ from word to word
    cloud.world.hypervisors[str(hand.server().host)].up = False
    hand.act("evacuate_server")
    hand.act("snapshot_server")
    assert len(hand.server().deeds) == 2


def test_messages_carry_neither_token_nor_password(cloud: Cloud, hand: Hand) -> None:
    hand.act("stop_server")
    for kind in ("reset", "garbage", "truncate"):
        getattr(cloud.faults, kind)(path="/servers/")
        with pytest.raises(Transient) as raised:
            hand.act("start_server")
        assert "gAAAA" not in str(raised.value)
        assert "secret" not in str(raised.value)


def test_words_of_the_cloud_are_one_bounded_line(cloud: Cloud, hand: Hand) -> None:
    server = hand.server()
    server.vm_state, server.status = "odd\n\x1b[31m" + "x" * 5000, "ODD"
    with pytest.raises(Permanent) as raised:
        hand.act("stop_server")
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 600


def test_kind_word_or_id_that_does_not_fit_never_reaches_the_cloud(cloud: Cloud, hand: Hand) -> None:
    attempt = Attempt(KEY, 1, hand.since)
    for word, ref in (
        ("stop_server", ObjectRef("volume", "v1")),
        ("explode", ObjectRef("server", "s1")),
        ("stop_server", ObjectRef("server", "../images/x")),
        ("stop_server", ObjectRef("server", "..")),
    ):
        with pytest.raises(Permanent):
            hand.operator.operate(word, ref, {}, attempt)
    assert cloud.requests.total() == 0


def test_provider_without_a_cloud_says_so() -> None:
    operator = OpenStackOperator(ProviderConfig("lab", "openstack", None))
    with pytest.raises(Permanent, match=r"Set `cloud` in providers\.yaml"):
        operator.operate("stop_server", ObjectRef("server", "s1"), {}, Attempt(KEY, 1, clock.now()))
    operator.close()
