"""The STF monitor without its library: the options, the contract on a stand-in of the wire, and how it is missed.

The real conversation is in tests/integration/test_stf_broker.py, where Qpid Proton is installed.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from typing import Any

import pytest
from pydantic import ValidationError

from tasks.model.errors import ProviderDown
from tasks.model.event import Notification
from tasks.providers.choose import choose
from tasks.providers.contracts import ProviderConfig
from tasks.providers.openstack import stf_monitor
from tasks.providers.openstack.options import OpenStackOptions
from tasks.providers.openstack.stf_monitor import StfMonitor
from tasks.providers.openstack.stf_options import ADDRESS, Stf
from tasks.providers.openstack.stf_wire import Lost, Taken
from tasks.providers.table import kinds
from tests.monitor_contract import ConnectionContract, HeldSource

URL = "amqp://router.example"


class Queue(HeldSource):
    """A queue in memory, and the connections to it."""

    def __init__(self) -> None:
        self.waiting: deque[str] = deque()
        self.wires: set[StandIn] = set()
        self.down = False

    def provider(self) -> ProviderConfig:
        return ProviderConfig("north", "openstack", OpenStackOptions.model_validate({"stf": {"url": URL}}))

    def unreachable(self) -> ProviderConfig:
        return ProviderConfig("north", "openstack", OpenStackOptions.model_validate({"stf": {"url": "amqp://nobody"}}))

    def publish(self, names: list[str]) -> None:
        self.waiting.extend(names)

    def name_of(self, notification: Notification) -> str:
        return str(notification.body)

    def connections(self) -> int:
        return len(self.wires)

    def sever(self) -> None:
        self.down = True
        for wire in list(self.wires):
            wire.close()

    def restore(self) -> None:
        self.down = False


class StandIn:
    """Does what :class:`tasks.providers.openstack.stf_wire.StfWire` does, on a queue in memory."""

    def __init__(self, queue: Queue, options: Stf) -> None:
        if queue.down or "nobody" in options.url:
            raise Lost("there is nobody")
        self._queue = queue
        self._credit = 0
        self._held: list[str] = []
        self.arrived: list[Taken] = []
        queue.wires.add(self)

    def attach(self, credit: int) -> None:
        self._credit, self.arrived = credit, []

    def read(self, timeout: float) -> bool:
        self._alive()
        deadline = time.monotonic() + timeout
        while not (self._credit and self._queue.waiting):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.005)
            self._alive()
        name = self._queue.waiting.popleft()
        self._credit -= 1
        self._held.append(name)
        self.arrived.append(Taken(name, name))
        return True

    def accept(self, taken: list[Taken]) -> None:
        self._alive()
        for one in taken:
            self._held.remove(one.delivery)
        self._credit += len(taken)

    def detach(self) -> None:
        self._alive()
        self._queue.waiting.extendleft(reversed(self._held))
        self._held, self.arrived, self._credit = [], [], 0

    def close(self) -> None:
        if self in self._queue.wires:
            self.detach()
            self._queue.wires.discard(self)

    def _alive(self) -> None:
        if self not in self._queue.wires:
            raise Lost("the connection was cut")


class TestStf(ConnectionContract):
    monitor = StfMonitor

    @pytest.fixture
    def source(self, monkeypatch: pytest.MonkeyPatch) -> HeldSource:
        queue = Queue()
        monkeypatch.setattr(stf_monitor, "StfWire", lambda options: StandIn(queue, options))
        return queue


def config(**stf: Any) -> ProviderConfig:
    return ProviderConfig("north", "openstack", OpenStackOptions.model_validate({"stf": {"url": URL, **stf}}))


def test_options_have_the_fields_defaults_and_keep_the_password() -> None:
    options = Stf.model_validate({"url": URL, "user": "catchment", "password": "hush"})
    assert (options.peer, options.secure, options.address) == ("router.example:5666", False, ADDRESS)
    assert "hush" not in repr(options)
    assert Stf(url="amqps://[2001:db8::1]:443").peer == "[2001:db8::1]:443"
    assert Stf(url="amqps://router.example/").secure


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "http://router"},
        {"url": "amqp://"},
        {"url": "amqp://me:hush@router"},
        {"url": "amqp://router/topic"},
        {"url": "amqp://router:0"},
        {"url": URL, "password": "hush"},
        {"url": URL, "address": ""},
        {"url": URL, "tls": {"key": "/k"}},
        {"url": URL, "topic": "x"},
    ],
)
def test_options_that_make_no_sense_are_refused_without_repeating_a_password(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as told:
        Stf.model_validate(wrong)
    assert all("hush" not in error["msg"] for error in told.value.errors())


@pytest.fixture
def without_proton(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "proton", None)


@pytest.mark.usefixtures("without_proton")
def test_without_the_library_the_monitor_says_how_to_install_it() -> None:
    assert "pip install 'catchment[stf]'" in StfMonitor.available(config()).reason
    with pytest.raises(ProviderDown, match=r"python-qpid-proton.*catchment\[stf\]"):
        StfMonitor(config()).start(None)


@pytest.mark.usefixtures("without_proton")
def test_a_provider_without_the_section_is_passed_over_for_that_reason_and_needs_no_library() -> None:
    provider = ProviderConfig("north", "openstack", OpenStackOptions())
    assert StfMonitor.available(provider).reason == "the provider has no stf: section in providers.yaml"
    with pytest.raises(ProviderDown, match="stf: section"):
        StfMonitor(provider).start(None)


def test_the_monitor_is_chosen_by_its_name() -> None:
    options = OpenStackOptions.model_validate({"monitor": "stf", "stf": {"url": URL}})
    assert choose(kinds()["openstack"], ProviderConfig("n", "openstack", options)).monitor_class is StfMonitor
