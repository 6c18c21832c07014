"""A monitor that raises, blocks or hands over nonsense hurts its own provider, and no other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from tasks.catch import poll as polling
from tasks.catch.poll import BAD_MONITOR_PAUSE, poll
from tasks.catch.progress import STANDSTILL
from tasks.conveyor.installation import Installation
from tasks.ledger import health
from tasks.ledger.events import Event
from tasks.ledger.providers import Cursor, Provider
from tasks.ledger.session import Ledger
from tasks.model import clock
from tasks.model.errors import BadMonitor, ProviderDown, Transient
from tasks.model.event import Notification
from tasks.providers.contracts import Availability, Batch, ProviderConfig
from tasks.providers.openstack.options import OpenStackOptions
from tasks.providers.table import kinds
from tests.ground import Clock, count, installed, notice, site


class Good:
    """A monitor that hands over what its provider's options name, once."""

    name: ClassVar[str] = "good"
    priority: ClassVar[int] = 1
    push: ClassVar[bool] = False

    def __init__(self, provider: ProviderConfig) -> None:
        self.provider = provider

    @classmethod
    def available(cls, provider: ProviderConfig) -> Availability:
        return Availability(True)

    def start(self, cursor: dict[str, Any] | None) -> None: ...

    def batches(self, *, wait: float, limit: int) -> Iterator[Batch]:
        yield Batch([notice(server="s1", message_id=f"of {self.provider.name}")], {"at": 1})

    def stop(self) -> None: ...


class Fault(Exception):
    """A package's own kind of error."""


def bad(**members: Any) -> type[Any]:
    """A monitor with these members instead of the good ones."""
    return type("Bad", (Good,), {"name": "bad", **members})


def raising(error: BaseException) -> Callable[..., Any]:
    def broken(*_: Any, **__: Any) -> Any:
        raise error

    return broken


def yielding(*batches: Any) -> Callable[..., Any]:
    def hand_over(self: Any, *, wait: float, limit: int) -> Iterator[Any]:
        yield from batches

    return hand_over


@pytest.fixture
def two(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Callable[[type[Any]], Installation]:
    """An installation with the providers ``mine``, of a monitor given, and ``other``."""

    def install(monitor: type[Any]) -> Installation:
        kind = replace(kinds()["openstack"], monitors=(monitor, Good), inventory=None)
        monkeypatch.setattr(polling, "kinds", lambda: {"openstack": kind})
        providers = [
            ProviderConfig("mine", "openstack", OpenStackOptions(monitor="bad")),
            ProviderConfig("other", "openstack", OpenStackOptions(monitor="good")),
        ]
        return installed(ledger, site(providers=providers, catch={"batch": 10, "patience_seconds": 0.3}))

    return install


def failure(present: Installation, error: type[Exception] = BadMonitor) -> str:
    """What a catch of ``mine`` comes to, after which ``other`` is caught as ever."""
    with pytest.raises(error) as raised:
        poll(present, "mine", lambda _: None)
    assert str(raised.value).startswith("mine: ")
    lines = {line.name: line for line in told(present)}
    assert lines["mine"].state == (health.UNREACHABLE if error is ProviderDown else health.FAILING)
    assert str(raised.value) in (lines["mine"].failure or "")
    before = count(present.ledger, Event)
    assert poll(present, "other", lambda _: None).stored == 1
    assert count(present.ledger, Event) == before + 1
    return str(raised.value)


def told(present: Installation) -> list[health.ProviderHealth]:
    with present.ledger.reading() as session:
        return list(health.providers(session, clock.now()))


@pytest.mark.parametrize("method", ["__init__", "start", "batches"])
@pytest.mark.parametrize("error", [Fault("password=hunter2"), SystemExit(3), KeyError("x"), MemoryError()])
def test_whatever_a_method_raises_is_a_failure_of_its_provider(
    two: Callable[[type[Any]], Installation], method: str, error: BaseException
) -> None:
    words = failure(two(bad(**{method: raising(error)})))
    assert "hunter2" not in words
    assert type(error).__name__ in words


def test_what_the_contract_lets_it_raise_goes_through_as_it_is(two: Callable[[type[Any]], Installation]) -> None:
    failure(two(bad(batches=raising(ProviderDown("mine: the source is away")))), ProviderDown)


def test_a_stop_that_raises_is_of_no_interest(two: Callable[[type[Any]], Installation]) -> None:
    present = two(bad(stop=raising(Fault("late"))))
    assert poll(present, "mine", lambda _: None).stored == 1


def test_an_ack_that_raises_loses_nothing_and_doubles_nothing(two: Callable[[type[Any]], Installation]) -> None:
    batch = Batch([notice(message_id="a")], {"at": 1}, ack=raising(Fault("no")))
    present = two(bad(batches=yielding(batch)))
    assert "failed in ack" in failure(present)
    assert count(present.ledger, Event, Event.message_id == "a") == 1


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """Lets what blocks go on at the end of the test."""
    event = threading.Event()
    yield event
    event.set()


@pytest.mark.parametrize("method", ["available", "__init__", "start", "batches", "ack"])
def test_a_method_that_never_returns_is_given_up(
    two: Callable[[type[Any]], Installation], method: str, release: threading.Event
) -> None:
    def block(*_: Any, **__: Any) -> Any:
        release.wait(60)

    if method == "ack":
        members: dict[str, Any] = {"batches": yielding(Batch([notice(message_id="a")], {"at": 1}, ack=block))}
    elif method == "available":
        members = {"available": classmethod(block)}
    else:
        members = {method: block}
    present = two(bad(**members))
    if method == "available":
        mine = ProviderConfig("mine", "openstack", OpenStackOptions(monitor="auto"))
        object.__setattr__(present.site, "providers", {**present.site.providers, "mine": mine})
    assert "did not return within 0.3 s" in failure(present)
    # While it hangs in this process nobody else is sent after it.
    free(present)
    with pytest.raises(BadMonitor, match=r"a call has not returned for \d+ s"):
        poll(present, "mine", lambda _: None)
    assert len(threads()) == 1


def test_when_the_call_returns_after_all_the_provider_is_asked_again(
    two: Callable[[type[Any]], Installation], release: threading.Event
) -> None:
    def block(self: Any, cursor: Any) -> None:
        release.wait(60)

    present = two(bad(start=block))
    failure(present)
    [thread] = threads()
    release.set()
    thread.join(10)
    free(present)
    assert poll(present, "mine", lambda _: None).stored == 1


def threads() -> list[threading.Thread]:
    """Those that call the monitor; one that was told to end does so soon."""
    return [t for t in threading.enumerate() if t.name == "calls-mine" and not t.join(0.2) and t.is_alive()]


def free(present: Installation) -> None:
    """Forget that the provider is left alone for a while."""
    with present.ledger.transaction() as session:
        session.query(Provider).filter(Provider.name == "mine").update({"lease_until": None})


NONSENSE: list[tuple[Any, str]] = [
    (None, "a NoneType and no Batch"),
    ([notice()], "a list and no Batch"),
    (Batch(None, {}), "without a list"),  # type: ignore[arg-type]  # nonsense on purpose
    (Batch((notice(),), {}), "without a list"),  # type: ignore[arg-type]  # as above
    (Batch([{"a": 1}], {}), "a dict and no Notification"),  # type: ignore[list-item]  # as above
    (Batch([Notification(5)]), "a body that is a int"),  # type: ignore[arg-type]  # as above
    (Batch([Notification(b"{}", None)]), "whose road is no short text"),  # type: ignore[arg-type]  # as above
    (Batch([Notification(b"{}", "a\x00")]), "whose road is no short text"),
    (Batch([notice()], [1]), "a cursor that is no object"),  # type: ignore[arg-type]  # as above
    (Batch([notice()], {"a": object()}), "a cursor that is no object"),
    (Batch([notice()], {"a": float("nan")}), "a cursor that is no object"),
    (Batch([notice()], {"a": "\x00"}), "a cursor that is no object"),
    (Batch([notice()], {"a": "\ud800"}), "a cursor that is no object"),
    (Batch([notice()], {"a": "x" * 5_000_000}), "too long a one"),
]


@pytest.mark.parametrize(("nonsense", "words"), NONSENSE)
def test_nonsense_is_not_stored_and_moves_nothing(
    two: Callable[[type[Any]], Installation], nonsense: Any, words: str
) -> None:
    present = two(bad(batches=yielding(nonsense)))
    assert words in failure(present)
    assert count(present.ledger, Cursor) == 1, "that of the other provider"


@pytest.mark.parametrize("answer", [None, True, "yes", (True, "")])
def test_an_answer_to_available_that_is_none_hides_no_other_monitor(
    two: Callable[[type[Any]], Installation], answer: Any
) -> None:
    present = two(bad(available=classmethod(lambda cls, provider: answer), priority=9))
    mine = ProviderConfig("mine", "openstack", OpenStackOptions(monitor="auto"))
    object.__setattr__(present.site, "providers", {"mine": mine})
    assert poll(present, "mine", lambda _: None).stored == 1
    [line] = [line for line in told(present) if line.name == "mine"]
    assert (line.monitor, list(line.passed_over)) == ("good", ["bad"])


def test_a_huge_batch_is_stored_in_parts_and_acknowledged_once(two: Callable[[type[Any]], Installation]) -> None:
    acked: list[int] = []
    batch = Batch([notice(message_id=f"m{n}") for n in range(35)], {"at": 9}, ack=lambda: acked.append(1))
    present = two(bad(batches=yielding(batch)))
    launched: list[set[int]] = []
    assert poll(present, "mine", launched.append).stored == 35
    assert (len(launched), acked) == (4, [1])
    with present.ledger.reading() as session:
        assert [row.value for row in session.query(Cursor)] == [{"at": 9}]


def test_a_batch_beyond_all_measure_is_refused(
    two: Callable[[type[Any]], Installation], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.providers.watched.BATCH_LIMIT", 30)
    assert "at most 30" in failure(two(bad(batches=yielding(Batch([notice()] * 31)))))


def test_a_monitor_that_does_not_get_on_is_stopped(two: Callable[[type[Any]], Installation]) -> None:
    handed: list[int] = []

    def again_and_again(self: Any, *, wait: float, limit: int) -> Iterator[Batch]:
        while True:
            handed.append(1)
            yield Batch([notice(message_id="a")], {"at": 1}, more=True)

    words = failure(two(bad(batches=again_and_again)))
    assert f"{STANDSTILL} batches in a row" in words
    assert len(handed) == STANDSTILL + 1


def test_more_is_believed_only_where_something_moved(two: Callable[[type[Any]], Installation]) -> None:
    present = two(bad(batches=yielding(Batch([notice(message_id="a")], {"at": 1}, more=True))))
    assert poll(present, "mine", lambda _: None).more
    assert not poll(present, "mine", lambda _: None).more, "the same again, at the same place"


def test_a_monitor_that_breaks_its_word_is_left_alone_longer_and_longer(
    two: Callable[[type[Any]], Installation], hands: Clock
) -> None:
    present = two(bad(start=raising(Fault("x"))))
    with pytest.raises(BadMonitor):
        poll(present, "mine", lambda _: None)
    pauses = []
    for _ in range(9):
        # The first tick after the pause.
        waited = 0
        while waited == 0 or held(present):
            hands.forward(20)
            waited += 20
        pauses.append(waited)
        with pytest.raises(BadMonitor):
            poll(present, "mine", lambda _: None)
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (20, BAD_MONITOR_PAUSE)


def held(present: Installation) -> bool:
    with present.ledger.reading() as session:
        until = session.query(Provider).filter(Provider.name == "mine").one().lease_until
    return until is not None and until > clock.now()


@pytest.mark.parametrize(("after", "pauses"), [(None, False), (3.0, False), (17.0, True)])
def test_a_source_is_left_alone_for_as_long_as_it_asks(
    two: Callable[[type[Any]], Installation], hands: Clock, after: float | None, pauses: bool
) -> None:
    present = two(bad(batches=raising(Transient("mine: later", after))))
    with pytest.raises(Transient):
        poll(present, "mine", lambda _: None)
    hands.forward(16)
    if pauses:
        assert poll(present, "mine", lambda _: None).note == "another catch is under way"
        hands.forward(2)
    with pytest.raises(Transient):
        poll(present, "mine", lambda _: None)
