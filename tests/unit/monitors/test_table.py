"""The table of provider kinds, and what installed packages add to it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from typing import Any, ClassVar

import pytest

from tasks.providers import table
from tasks.providers.null_monitor import NullMonitor


class Added(NullMonitor):
    kind: ClassVar[str] = "openstack"
    name: ClassVar[str] = "carrier-pigeon"
    priority: ClassVar[int] = 7


class Stranger(Added):
    kind: ClassVar[str] = "vmware"


class Namesake(Added):
    name: ClassVar[str] = "panko"


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


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Stranger", "there is no kind 'vmware' of provider; known are: "),
        ("Namesake", "the name 'panko' is taken"),
        ("Half", "the monitor has no priority, push, available, start, batches, stop"),
        ("Missing", "AttributeError"),
    ],
)
def test_a_packages_monitor_that_cannot_be_used_is_reported_and_hurts_no_other(
    installed: Any, name: str, reason: str
) -> None:
    installed(name, "Added")
    assert [monitor.name for monitor in table.kinds()["openstack"].monitors][4:] == ["carrier-pigeon"]
    (left_out,) = table.broken()
    assert left_out.entry_point == f"pigeons:{name}"
    assert reason in left_out.reason


def test_importing_the_table_loads_no_cloud_library() -> None:
    script = "import sys, tasks.providers.table; print({'openstack', 'kombu', 'keystoneauth1'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout.strip() == "set()"
