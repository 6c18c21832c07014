"""The table of provider kinds: one literal, and what installed packages add to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points

import structlog

from tasks.providers.admission import admitted
from tasks.providers.contracts import Converter, ProviderConfig, ProviderKind
from tasks.providers.null_monitor import NullMonitor

log = structlog.get_logger(__name__)

#: Packages add to the table under this entry point group: a monitor's class with an attribute ``kind``, for a kind
#: that is there, or a :class:`tasks.providers.contracts.ProviderKind` of their own.
GROUP = "catchment.monitors"


@dataclass(frozen=True, slots=True)
class Broken:
    """What an installed package brings and could not be added, and why."""

    entry_point: str
    reason: str


def kinds() -> Mapping[str, ProviderKind]:
    """All kinds of provider by the word for them in ``providers.yaml``."""
    return _table()[0]


def converter_of(provider: ProviderConfig) -> Converter:
    """The converter of a provider. Raises ``KeyError`` where its kind is not in the table."""
    return kinds()[provider.kind].converter_of(provider.options)


def broken() -> tuple[Broken, ...]:
    """What installed packages bring and is left out of :func:`kinds`."""
    return _table()[1]


@cache
def _table() -> tuple[Mapping[str, ProviderKind], tuple[Broken, ...]]:
    return _extended(_built_in(), entry_points(group=GROUP))


def _built_in() -> dict[str, ProviderKind]:
    return {kind.name: kind for kind in (_openstack(), _ovirt(), _esi_leap(), _webhook(), _http())}


# The kinds are imported where they are made: the cloud libraries take their time, and most commands never ask.


def _openstack() -> ProviderKind:
    from tasks.providers.openstack.amqp_monitor import AmqpMonitor
    from tasks.providers.openstack.ceilometer_monitor import CeilometerMonitor
    from tasks.providers.openstack.converter import OpenStackConverter
    from tasks.providers.openstack.inventory import OpenStackInventory
    from tasks.providers.openstack.operations import OpenStackOperator
    from tasks.providers.openstack.options import OpenStackOptions
    from tasks.providers.openstack.panko_monitor import PankoMonitor
    from tasks.providers.openstack.stf_monitor import StfMonitor

    return ProviderKind(
        name="openstack",
        converter=OpenStackConverter(),
        options=OpenStackOptions,
        monitors=(AmqpMonitor, StfMonitor, PankoMonitor, CeilometerMonitor, NullMonitor),
        inventory=OpenStackInventory,
        operator=OpenStackOperator,
    )


def _ovirt() -> ProviderKind:
    from tasks.providers.ovirt.converter import OvirtConverter
    from tasks.providers.ovirt.event_monitor import EventLogMonitor
    from tasks.providers.ovirt.inventory import OvirtInventory
    from tasks.providers.ovirt.operations import OvirtOperator
    from tasks.providers.ovirt.options import OvirtOptions
    from tasks.providers.ovirt.types import LOSSES

    return ProviderKind(
        name="ovirt",
        converter=OvirtConverter(),
        options=OvirtOptions,
        monitors=(EventLogMonitor, NullMonitor),
        inventory=OvirtInventory,
        operator=OvirtOperator,
        losses=LOSSES,
    )


def _esi_leap() -> ProviderKind:
    from tasks.providers.esi_leap.converter import LeapConverter
    from tasks.providers.esi_leap.events_monitor import EventsMonitor
    from tasks.providers.esi_leap.inventory import LeapInventory
    from tasks.providers.esi_leap.options import LeapOptions
    from tasks.providers.openstack.amqp_monitor import AmqpMonitor

    return ProviderKind(
        name="esi_leap",
        converter=LeapConverter(),
        options=LeapOptions,
        monitors=(AmqpMonitor, EventsMonitor, NullMonitor),
        inventory=LeapInventory,
    )


def _webhook() -> ProviderKind:
    from tasks.providers.webhook.converter import WebhookConverter
    from tasks.providers.webhook.options import WebhookOptions

    return ProviderKind(
        name="webhook",
        converter=WebhookConverter(),
        options=WebhookOptions,
        monitors=(NullMonitor,),
        inventory=None,
        converting=WebhookConverter,
    )


def _http() -> ProviderKind:
    from tasks.providers.http.converter import HttpConverter
    from tasks.providers.http.monitor import HttpMonitor
    from tasks.providers.http.options import HttpOptions

    return ProviderKind(
        name="http",
        converter=HttpConverter(),
        options=HttpOptions,
        monitors=(HttpMonitor, NullMonitor),
        inventory=None,
        converting=HttpConverter,
    )


def _extended(
    table: dict[str, ProviderKind], points: Iterable[EntryPoint]
) -> tuple[dict[str, ProviderKind], tuple[Broken, ...]]:
    """The table with what installed packages bring; what cannot be used is told and left out."""
    left_out: list[Broken] = []
    for point in points:
        try:
            kind = admitted(table, point.load())
        except (Exception, SystemExit) as error:  # a broken package must hurt nothing but itself
            reason = f"{type(error).__name__}: {error}"
            log.exception("what an installed package brings cannot be used", entry_point=point.value, reason=reason)
            left_out.append(Broken(point.value, reason))
        else:
            table[kind.name] = kind
    return table, tuple(left_out)
