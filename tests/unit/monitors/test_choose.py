"""Which monitor reads a provider, and why not another one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from tasks.model.errors import ProviderDown
from tasks.providers.choose import choose
from tasks.providers.contracts import Availability, Batch, Monitor, ProviderConfig, ProviderKind
from tasks.providers.null_monitor import NullMonitor
from tasks.providers.openstack.options import OpenStackOptions


def monitor(name: str, priority: int, answer: Availability | Exception) -> Any:
    """A monitor that says this of itself; ``asked`` has the providers that it was asked for."""

    class Said:
        push: ClassVar[bool] = False
        asked: ClassVar[list[str]] = []

        def __init__(self, provider: ProviderConfig) -> None:
            raise AssertionError("choosing makes no monitor")

        @classmethod
        def available(cls, provider: ProviderConfig) -> Availability:
            cls.asked.append(provider.name)
            if isinstance(answer, Exception):
                raise answer
            return answer

        def start(self, cursor: dict[str, Any] | None) -> None: ...

        def batches(self, *, wait: float, limit: int) -> Iterator[Batch]:
            yield from ()

        def stop(self) -> None: ...

    Said.name, Said.priority = name, priority  # type: ignore[attr-defined]  # class variables of the protocol
    return Said


YES = Availability(True)


def kind(*monitors: type[Monitor]) -> ProviderKind:
    return ProviderKind("openstack", None, OpenStackOptions, monitors, None)  # type: ignore[arg-type]  # no converter is called here


def provider(word: str = "auto", name: str = "north") -> ProviderConfig:
    return ProviderConfig(name, "openstack", OpenStackOptions(monitor=word))


def test_auto_takes_the_highest_priority_that_is_available() -> None:
    low, high, middle = monitor("low", 1, YES), monitor("high", 9, YES), monitor("middle", 5, YES)
    choice = choose(kind(low, high, middle), provider())
    assert choice.monitor_class is high
    assert choice.passed_over == []
    assert (low.asked, middle.asked) == ([], [])


def test_auto_says_why_each_better_one_was_passed_over() -> None:
    first = monitor("first", 9, Availability(False, "the broker is away"))
    second = monitor("second", 5, Availability(False, "the catalogue lacks it"))
    choice = choose(kind(first, second, monitor("third", 1, YES)), provider())
    assert choice.monitor_class.name == "third"
    assert choice.passed_over == [("first", "the broker is away"), ("second", "the catalogue lacks it")]


def test_auto_with_nothing_available_is_an_error_with_every_reason_and_not_the_null_monitor() -> None:
    away = monitor("bus", 9, Availability(False, "the broker is away"))
    with pytest.raises(ProviderDown, match=r"north: no monitor is available. bus: the broker is away"):
        choose(kind(NullMonitor, away), provider())


def test_a_monitor_that_raises_when_it_is_asked_hides_no_other() -> None:
    choice = choose(kind(monitor("broken", 9, RuntimeError("oops")), monitor("works", 1, YES)), provider())
    assert choice.monitor_class.name == "works"
    assert choice.passed_over == [("broken", "it cannot say whether it is available: RuntimeError: oops")]


def test_a_named_monitor_is_taken_though_it_is_away() -> None:
    away = monitor("bus", 9, Availability(False, "the broker is away"))
    choice = choose(kind(away, monitor("other", 1, YES), NullMonitor), provider("bus"))
    assert (choice.monitor_class, choice.passed_over, away.asked) == (away, [], [])
    assert choose(kind(away, NullMonitor), provider("none")).monitor_class is NullMonitor


def test_an_unknown_name_is_told_with_those_that_are_known() -> None:
    with pytest.raises(ProviderDown, match=r"there is no monitor 'stf' for openstack. Known are: auto, bus, none"):
        choose(kind(monitor("bus", 9, YES), NullMonitor), provider("stf"))


def test_nothing_is_remembered_from_one_choice_to_the_next() -> None:
    """Neither for the same provider, whose source may be back, nor for another one (spec capture 1.2)."""
    answers = [Availability(False, "away"), YES, Availability(False, "away")]

    class Changing(NullMonitor):
        name: ClassVar[str] = "bus"
        priority: ClassVar[int] = 9

        @classmethod
        def available(cls, provider: ProviderConfig) -> Availability:
            return answers.pop(0)

    monitors = kind(Changing, monitor("other", 1, YES))
    chosen = [choose(monitors, provider(name=name)).monitor_class.name for name in ("north", "north", "south")]
    assert chosen == ["other", "bus", "other"]


def test_options_without_the_word_are_auto() -> None:
    config = ProviderConfig("north", "other", object())
    assert choose(kind(monitor("only", 1, YES)), config).monitor_class.name == "only"
