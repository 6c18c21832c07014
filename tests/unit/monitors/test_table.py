"""The table of provider kinds, and what installed packages add to it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import EntryPoint
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel

from tasks.providers import table
from tasks.providers.contracts import ProviderConfig, ProviderKind
from tasks.providers.null_monitor import NullMonitor
from tasks.providers.openstack.converter import OpenStackConverter
from tasks.providers.watched import WatchedConverter


class Added(NullMonitor):
    kind: ClassVar[str] = "openstack"
    name: ClassVar[str] = "carrier-pigeon"
    priority: ClassVar[int] = 7


class Stranger(Added):
    kind: ClassVar[str] = "vmware"


class Namesake(Added):
    name: ClassVar[str] = "panko"


class Nonsense(Added):
    name: ClassVar[str] = "nonsense"
    priority: ClassVar[Any] = "high"


class Mine(NullMonitor):
    name: ClassVar[str] = "mine"


class MyOptions(BaseModel, extra="forbid"):
    monitor: str = "mine"


class MyConverter(OpenStackConverter):
    source: ClassVar[str] = "MINE"


OWN_KIND = ProviderKind("mine", MyConverter(), MyOptions, (Mine,), None)
TAKEN_KIND = replace(OWN_KIND, name="openstack")
NO_OPTIONS = replace(OWN_KIND, options=dict)
NO_MONITORS = replace(OWN_KIND, monitors=())
NO_CONVERTER = replace(OWN_KIND, converter=object())  # type: ignore[arg-type]  # what a package may bring
BAD_NAME = replace(OWN_KIND, name="My kind!")


class Half:
    kind: ClassVar[str] = "openstack"
    name: ClassVar[str] = "half"


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Let packages be installed that name these things of this module, or of none."""

    def install(*names: str) -> None:
        monkeypatch.setitem(sys.modules, "pigeons", sys.modules[__name__])
        points = tuple(EntryPoint(name, f"pigeons:{name}", table.GROUP) for name in names)
        monkeypatch.setattr(table, "entry_points", lambda *, group: points if group == table.GROUP else ())
        table._table.cache_clear()

    yield install
    table._table.cache_clear()


def test_openstack_has_its_monitors_and_what_belongs_to_it() -> None:
    kind = table.kinds()["openstack"]
    assert [monitor.name for monitor in kind.monitors[:5]] == ["amqp", "stf", "panko", "ceilometer", "none"]
    by_priority = sorted(kind.monitors, key=lambda monitor: monitor.priority, reverse=True)
    assert [monitor.name for monitor in by_priority] == ["amqp", "stf", "panko", "ceilometer", "none"]
    assert kind.converter.source == "OPENSTACK"
    assert kind.inventory is not None
    assert kind.options().monitor == "auto"
    assert [monitor.push for monitor in kind.monitors] == [True, True, False, False, False]


def test_table_is_made_once_a_process() -> None:
    assert table.kinds() is table.kinds()


def test_a_packages_monitor_joins_its_kind(installed: Any) -> None:
    installed("Added")
    assert table.kinds()["openstack"].monitors[-1] is Added
    assert table.broken() == ()


def test_a_packages_kind_joins_the_table_with_its_converter_watched(installed: Any) -> None:
    installed("OWN_KIND")
    kind = table.kinds()["mine"]
    assert (kind.options, kind.monitors, kind.converter.source) == (MyOptions, (Mine,), "MINE")
    provider = ProviderConfig("p", "mine", MyOptions())
    assert isinstance(table.converter_of(provider), WatchedConverter)
    assert table.converter_of(provider).source == "MINE"
    assert table.broken() == ()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Stranger", "there is no kind 'vmware' of provider; known are: "),
        ("Namesake", "the name 'panko' is taken"),
        ("Half", "the monitor has no priority, push, available, start, batches, stop"),
        ("Nonsense", "priority must be a whole number"),
        ("Missing", "AttributeError"),
        ("TAKEN_KIND", "the kind 'openstack' is taken"),
        ("NO_OPTIONS", "options is no class of pydantic's BaseModel"),
        ("NO_MONITORS", "at least one monitor"),
        ("NO_CONVERTER", "the converter has no source, unwrap, identify, convert"),
        ("BAD_NAME", "is no word"),
    ],
)
def test_a_packages_monitor_that_cannot_be_used_is_reported_and_hurts_no_other(
    installed: Any, name: str, reason: str
) -> None:
    installed(name, "Added")
    assert [monitor.name for monitor in table.kinds()["openstack"].monitors][5:] == ["carrier-pigeon"]
    (left_out,) = table.broken()
    assert left_out.entry_point == f"pigeons:{name}"
    assert reason in left_out.reason


def test_importing_the_table_loads_no_cloud_library() -> None:
    script = "import sys, tasks.providers.table; print({'openstack', 'kombu', 'keystoneauth1'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout.strip() == "set()"
