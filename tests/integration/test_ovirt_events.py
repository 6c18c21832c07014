"""The event monitor of oVirt against a simulated engine: the contract, signing in, outages, and what a poll costs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from examples.ovirt.running import Engine
from examples.ovirt.world import World
from tasks.catch.poll import poll
from tasks.ledger.session import Ledger
from tasks.model.errors import CatchmentError, ProviderDown, SignedOut, Transient
from tasks.model.event import Notification
from tasks.providers.choose import choose
from tasks.providers.contracts import ProviderConfig
from tasks.providers.ovirt import engine as engine_module
from tasks.providers.ovirt.engine import engine_of
from tasks.providers.ovirt.event_monitor import EventLogMonitor
from tasks.providers.ovirt.failures import EngineRefusal
from tasks.providers.ovirt.options import OvirtOptions
from tasks.providers.table import kinds
from tests.ground import installed, site, sums
from tests.monitor_contract import Catcher, MonitorContract, Source
from workers.cli.trial import try_provider

TOKEN, EVENTS = "POST /ovirt-engine/sso/oauth/token", "GET /ovirt-engine/api/events"
#: What the engine writes of our own signing in and out; the options leave it out of the ledger.
OWN = frozenset({30, 31, 114})


class EngineSource(Source):
    """An engine that has no event yet."""

    def __init__(self) -> None:
        # A port may be used again, and with it an engine that somebody else signed in to.
        engine_module._engine.cache_clear()
        began, ticks = datetime.now(UTC) - timedelta(minutes=10), count()
        self.world = World(seed=3, clock=lambda: began + timedelta(milliseconds=next(ticks)))
        self.world.audit.events.clear()
        self._quietly(self.world)
        self.engine = Engine(self.world).start()

    def provider(self, **more: Any) -> ProviderConfig:
        return self._provider(self.engine.url, **more)

    def unreachable(self) -> ProviderConfig:
        return self._provider("http://127.0.0.1:1")

    def publish(self, names: list[str]) -> None:
        vm = next(iter(self.world.vms.vms))
        for name in names:
            self.world.emit(32, name, vm=vm)

    def name_of(self, notification: Notification) -> str:
        assert isinstance(notification.body, dict)
        return str(notification.body["description"])

    @staticmethod
    def _quietly(world: World) -> None:
        """Have signing in leave no event, so that there are those alone that a test publishes."""
        emit = world.emit
        world.emit = lambda code, *a, **k: None if code in OWN else emit(code, *a, **k)  # type: ignore[method-assign]

    def _provider(self, url: str, **more: Any) -> ProviderConfig:
        admin = self.world.user("admin@internal")
        given = {"url": url, "password": admin.password, "insecure": True, "page_limit": 20}
        return ProviderConfig("virt", "ovirt", OvirtOptions(**{**given, "event_skip_history": False, **more}))


@pytest.fixture
def source() -> Iterator[EngineSource]:
    source = EngineSource()
    yield source
    source.engine.stop()


class TestEventLog(MonitorContract):
    monitor = EventLogMonitor

    @pytest.fixture
    def source(self) -> Iterator[Source]:
        source = EngineSource()
        yield source
        source.engine.stop()


def read(source: EngineSource, **more: Any) -> list[str]:
    """What one poll from the beginning brings."""
    monitor = EventLogMonitor(source.provider(**more))
    monitor.start(None)
    return [source.name_of(n) for batch in monitor.batches(wait=0, limit=10) for n in batch.notifications]


def test_it_is_what_auto_chooses(source: EngineSource) -> None:
    assert choose(kinds()["ovirt"], source.provider()).monitor_class is EventLogMonitor


def test_outage_is_told_and_what_happened_meanwhile_is_read_after_it(source: EngineSource) -> None:
    catcher = Catcher(EventLogMonitor, source)
    catcher.start()
    sent = catcher.publish(5)
    assert catcher.until(5) == sent
    port = int(source.engine.url.rpartition(":")[2])
    source.engine.stop()
    sent = catcher.publish(45)
    for _ in range(2):
        with pytest.raises(ProviderDown, match="virt"):
            list(catcher.monitor.batches(wait=0, limit=10))
    source.engine = Engine(source.world, port=port).start()
    catcher.monitor.start(catcher.cursor)
    assert catcher.until(45) == sent


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        (lambda f: f.answer(500), ProviderDown, "fault of its own \\(500\\)"),
        (lambda f: f.answer(503, retry_after="7"), ProviderDown, "503"),
        (lambda f: f.answer(429, retry_after="7"), Transient, "asks for a pause"),
        (lambda f: f.answer(400), EngineRefusal, "refuses GET /events \\(400\\)"),
        (lambda f: f.answer(404), EngineRefusal, "404"),
        (lambda f: f.answer(403), SignedOut, "does not let the user"),
        (lambda f: f.answer(302), ProviderDown, "redirect"),
        (lambda f: f.garbage(), ProviderDown, "no JSON object"),
        (lambda f: f.truncate(), ProviderDown, "virt"),
        (lambda f: f.reset(), ProviderDown, "cannot be reached"),
    ],
)
def test_answer_that_is_none_is_told_by_its_kind_and_loses_nothing(
    source: EngineSource, fault: Any, error: type[CatchmentError], words: str
) -> None:
    catcher = Catcher(EventLogMonitor, source)
    catcher.start()
    sent = catcher.publish(45)
    kept = catcher.keep(catcher.first(limit=10))
    fault(source.engine.faults)
    catcher.start()
    with pytest.raises(error, match=words) as caught:
        catcher.until(45)
    source.engine.faults.clear()
    if getattr(caught.value, "after", None) is not None:
        assert caught.value.after == 7.0  # type: ignore[attr-defined]
    catcher.start()
    assert kept + catcher.until(35) == sent


def test_answer_that_is_too_slow_is_a_failure_in_time_and_loses_nothing(source: EngineSource) -> None:
    source.publish(["a", "b"])
    read(source)
    source.engine.faults.slow(3, path="/events")
    began = time.monotonic()
    with pytest.raises(ProviderDown, match=r"did not answer in full within 0\.5 s"):
        read(source, timeout_seconds=0.5)
    assert time.monotonic() - began < 10
    assert read(source) == ["a", "b"]


def test_token_is_fetched_once_for_many_polls_and_again_when_it_has_ended(source: EngineSource) -> None:
    source.publish(["a"])
    for _ in range(5):
        assert read(source) == ["a"]
    assert source.engine.requests[TOKEN] == 1
    source.engine.expire_tokens()
    assert read(source) == ["a"]
    assert source.engine.requests[TOKEN] == 2


def test_token_that_is_about_to_end_is_renewed_before_it_is_used(source: EngineSource) -> None:
    source.engine.tokens.seconds = -575  # the world's clock is ten minutes behind
    source.publish(["a"])
    source.engine.tokens.seconds = 620
    assert read(source) == ["a"]
    assert read(source) == ["a"]
    assert source.engine.requests[TOKEN] == 2


def test_password_that_is_wrong_is_told_without_it(source: EngineSource) -> None:
    provider = source.provider(password="hunter2-hunter2")
    answer = EventLogMonitor.available(provider)
    assert not answer.ok
    assert "refuses the credentials (Cannot authenticate user" in answer.reason
    with pytest.raises(SignedOut) as caught:
        engine_of(provider).get("/events")
    assert "hunter2" not in f"{caught.value!r}{answer.reason}{provider.options!r}{engine_of(provider)._access!r}"


def test_token_that_is_refused_twice_means_signed_out(source: EngineSource) -> None:
    source.engine.faults.answer(401, times=2, path="/events")
    with pytest.raises(SignedOut, match="refuses the credentials"):
        read(source)
    assert source.engine.requests[TOKEN] == 2


def test_sign_in_that_is_out_of_order_is_no_wrong_password(source: EngineSource) -> None:
    source.engine.faults.answer(503, path="/sso/", retry_after="9")
    with pytest.raises(ProviderDown) as caught:
        read(source)
    assert caught.value.after == 9.0


def test_basic_signing_sends_the_password_with_the_request(source: EngineSource) -> None:
    """The simulated engine takes tokens alone: what is looked at is what the monitor does about that."""
    with pytest.raises(SignedOut):
        read(source, sign_in="basic")
    assert (source.engine.requests[TOKEN], source.engine.requests[EVENTS]) == (0, 1)


def test_whole_life_of_an_engine_is_converted_without_asking_it_for_more(source: EngineSource) -> None:
    admin = source.world.actor()
    vm = next(vm for vm in source.world.vms.vms.values() if vm.status == "down")
    source.world.vms.act(vm.id, "start", admin)
    monitor = EventLogMonitor(source.provider())
    monitor.start(None)
    converter = kinds()["ovirt"].converter
    notifications = [n for batch in monitor.batches(wait=0, limit=10) for n in batch.notifications]
    facts = [converter.convert(m) for n in notifications for m in converter.unwrap(n.body)]  # type: ignore[arg-type]
    started = [f for f in facts if f.event_type == "USER_RUN_VM"]
    assert [(f.resource_kind, f.resource_id, f.actor) for f in started] == [("server", vm.id, admin.user.id)]
    assert started[0].parents["host"] == vm.host
    assert set(source.engine.requests) == {TOKEN, EVENTS}


def test_trial_of_a_provider_signs_in_reads_an_event_and_an_object(source: EngineSource) -> None:
    trial = try_provider(source.provider(), kinds()["ovirt"])
    assert [(step.what, step.ok) for step in trial.steps] == [
        ("sign in", None),
        ("monitor events", True),
        ("choice of monitor", True),
        ("inventory", True),
    ]
    assert (trial.ok, trial.monitor) == (True, "events")
    refused = try_provider(source.provider(password="wrong"), kinds()["ovirt"])
    assert not refused.ok
    assert "refuses the credentials" in refused.steps[1].note


def test_catch_keeps_its_place_in_the_ledger_and_misses_nothing_over_a_pause(
    ledger: Ledger, source: EngineSource
) -> None:
    present = installed(ledger, site(providers=[source.provider(event_skip_history=True)]))
    source.publish(["history"])
    assert poll(present, "virt", lambda lanes: None).stored == 0
    source.publish([f"n-{i}" for i in range(70)])
    assert poll(present, "virt", lambda lanes: None).stored == 70
    source.engine.faults.answer(503)
    with pytest.raises(ProviderDown):
        poll(present, "virt", lambda lanes: None)
    source.publish(["one more"])
    assert poll(present, "virt", lambda lanes: None).stored == 1
    assert poll(present, "virt", lambda lanes: None).stored == 0
    assert sums(ledger, "virt") == (71, 71, 0, 0)
