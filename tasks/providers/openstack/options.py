"""The options of an OpenStack provider in ``providers.yaml``."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from tasks.providers.openstack.bus_options import Amqp
from tasks.providers.openstack.stf_options import Stf

#: Event types that no operator wants and every cloud sends in masses (spec capture 3.1).
IGNORED = (
    "identity.authenticate",
    "scheduler.run_instance.start",
    "scheduler.run_instance.scheduled",
    "scheduler.run_instance.end",
)


#: Services whose objects inventory reads, where a cloud may be without them only by the operator's word.
Service = Literal["compute", "image", "network"]


class OpenStackOptions(BaseModel, extra="forbid"):
    """What an operator can say of an OpenStack provider."""

    cloud: str | None = Field(None, description="The cloud's name in clouds.yaml, for the APIs.")
    # No closed list of words: an installed package may bring a monitor, and the site knows them all.
    monitor: str = Field("auto", description="Where events come from. auto: the best source that is available.")
    monitor_options: dict[str, Any] = Field(
        default_factory=dict, description="Options of a monitor that an installed package brings."
    )
    amqp: Amqp | None = Field(None, description="The notification bus.")
    stf: Stf | None = Field(None, description="The topic of Service Telemetry Framework.")
    event_skip_history: bool = Field(False, description="Begin now, and leave what the event API has from before.")
    event_backread_seconds: float = Field(
        5.0, ge=0, le=3600, description="How far behind the newest event the event API is read again for late ones."
    )
    page_limit: int = Field(100, ge=1, le=1000, description="Events asked for in one request to an event API.")
    ignore: list[str] = Field(
        default=list(IGNORED), description="Event types that are counted as rejected and not kept."
    )
    inventory: Literal["auto", "none"] = Field("auto", description="none: no inventory is read of this provider.")
    without: frozenset[Service] = Field(
        frozenset(), description="Services that this cloud does not have: nothing is read of them, and none is missed."
    )
    full_every_seconds: float | None = Field(
        None,
        ge=0,
        description="A full refresh so often, instead of `refresh.full_every_seconds`. 0: never by the clock.",
    )
    reads_per_second: float | None = Field(
        None, ge=0, description="Reads a second at the most, instead of `refresh.reads_per_second`. 0: no limit."
    )
