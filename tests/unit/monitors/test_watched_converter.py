"""The converter of an installed package: what it does to a message shows on that message alone."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any

import pytest

from tasks.catch.reading import unwrap
from tasks.model.errors import BadMonitor, BadPayload
from tasks.model.event import Identity, Message, Normalised, Notification
from tasks.providers.patience import Patience
from tasks.providers.watched import WatchedConverter

NOW = datetime(2031, 5, 4, tzinfo=UTC)
WHO = Identity("a", "t", "t", NOW)
FACTS = Normalised("t", "t", "a", NOW)
MESSAGE = Message("mine", {"a": 1})


class Good:
    source = "MINE"

    def unwrap(self, body: Any) -> list[Message]:
        return [MESSAGE]

    def identify(self, message: Message) -> Identity:
        return WHO

    def convert(self, message: Message) -> Normalised:
        return FACTS


def watched(**members: Any) -> WatchedConverter:
    made = type("Bad", (Good,), {name: lambda self, _, value=value: value for name, value in members.items()})
    return WatchedConverter(made(), Patience("the converter of mine", 5.0))


def test_a_good_one_is_passed_on() -> None:
    converter = watched()
    assert (converter.source, converter.unwrap(b"")) == ("MINE", [MESSAGE])
    assert (converter.identify(MESSAGE), converter.convert(MESSAGE)) == (WHO, FACTS)


@pytest.mark.parametrize("value", [None, MESSAGE, [1], [Message("f", [])], [Message(None, {})]])  # type: ignore[arg-type]  # nonsense
def test_what_are_no_messages_is_a_bad_payload(value: Any) -> None:
    with pytest.raises(BadPayload):
        watched(unwrap=value).unwrap(b"")


@pytest.mark.parametrize(
    "value",
    [
        None,
        FACTS,
        Identity("", "t", "t", NOW),
        Identity("a", "t", 5, NOW),  # type: ignore[arg-type]  # nonsense
        Identity("a", "t", "t", datetime(2031, 5, 4)),
        Identity("a", "t", "t", "now"),  # type: ignore[arg-type]  # nonsense
        Identity("a", "t", "t", NOW, 5),  # type: ignore[arg-type]  # nonsense
    ],
)
def test_what_is_no_identity_is_a_bad_payload(value: Any) -> None:
    with pytest.raises(BadPayload):
        watched(identify=value).identify(MESSAGE)


@pytest.mark.parametrize(
    "value",
    [
        None,
        WHO,
        Normalised("t", "t", "a", None),  # type: ignore[arg-type]  # nonsense
        Normalised("t", "t", "a", NOW, tenant_id=5),  # type: ignore[arg-type]  # nonsense
        Normalised("t", "t", "a", NOW, parents=None),  # type: ignore[arg-type]  # nonsense
        Normalised("t", "t", "a", NOW, parents={"host": 5}),  # type: ignore[dict-item]  # nonsense
        Normalised("t", "t", "a", NOW, group=None),  # type: ignore[arg-type]  # nonsense
    ],
)
def test_what_are_no_facts_is_a_bad_payload(value: Any) -> None:
    with pytest.raises(BadPayload):
        watched(convert=value).convert(MESSAGE)


def test_one_that_hangs_quarantines_nothing_and_is_not_called_again() -> None:
    release = threading.Event()

    class Hanging(Good):
        def unwrap(self, body: Any) -> list[Message]:
            release.wait(60)
            return [MESSAGE]

    converter = WatchedConverter(Hanging(), Patience("the converter of hanging", 0.2))
    try:
        for words in ("did not return within 0.2 s", "has not returned for"):
            with pytest.raises(BadMonitor, match=words):
                unwrap(converter, [Notification(b"{}")], frozenset(), 1000)
    finally:
        release.set()


def test_one_that_raises_quarantines_the_message() -> None:
    class Raising(Good):
        def unwrap(self, body: Any) -> list[Message]:
            if body == b"bad":
                raise KeyError("x")
            return [MESSAGE]

    converter = WatchedConverter(Raising(), Patience("the converter of raising", 5.0))
    caught, _ = unwrap(converter, [Notification(b"bad"), Notification(b"good")], frozenset(), 1000)
    assert [item.error is None for item in caught] == [False, True]
