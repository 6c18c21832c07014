"""The table of provider kinds: one literal, and what installed packages add to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib.metadata import entry_points

import structlog

from tasks.providers.contracts import Monitor, ProviderKind
from tasks.providers.null_monitor import NullMonitor
from tasks.providers.openstack.amqp_monitor import AmqpMonitor
from tasks.providers.openstack.ceilometer_monitor import CeilometerMonitor
from tasks.providers.openstack.converter import OpenStackConverter
from tasks.providers.openstack.inventory import OpenStackInventory
from tasks.providers.openstack.options import OpenStackOptions
from tasks.providers.openstack.panko_monitor import PankoMonitor

log = structlog.get_logger(__name__)

#: Packages add monitors under this entry point group: a class with an attribute ``kind``.
GROUP = "catchment.monitors"


@cache
def kinds() -> Mapping[str, ProviderKind]:
    """All kinds of provider by the word for them in ``providers.yaml``."""
    built_in = {
        "openstack": ProviderKind(
            name="openstack",
            converter=OpenStackConverter(),
            options=OpenStackOptions,
            monitors=(AmqpMonitor, PankoMonitor, CeilometerMonitor, NullMonitor),
            inventory=OpenStackInventory,
        ),
    }
    return _extended(built_in)


def _extended(built_in: dict[str, ProviderKind]) -> dict[str, ProviderKind]:
    """The table with the monitors of installed packages; one that does not load is told and left out."""
    for point in entry_points(group=GROUP):
        try:
            monitor: type[Monitor] = point.load()
            kind = built_in[monitor.kind]  # type: ignore[attr-defined]  # what the entry point must bring
        except Exception as error:  # noqa: BLE001 - a broken package must hurt its own provider only
            log.error(
                "a monitor of an installed package does not load",
                entry=point.name,
                error=f"{type(error).__name__}: {error}",
            )
            continue
        built_in[kind.name] = replace(kind, monitors=(*kind.monitors, monitor))
    return built_in
