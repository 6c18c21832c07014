"""The options of an ESI Leap provider in ``providers.yaml``."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from tasks.providers.openstack.bus_options import Amqp, BusExchange

#: Where the service publishes unless it is told otherwise (spec esi 2).
EXCHANGE, TOPIC = "openstack", "esi_leap_versioned_notifications"


class LeapAmqp(Amqp, extra="forbid"):
    """The bus as OpenStack has it, with ESI Leap's own exchange and topic."""

    exchanges: list[BusExchange] = Field(
        default_factory=lambda: [BusExchange(exchange=EXCHANGE, topics=[f"{TOPIC}.#"])],
        min_length=1,
        description="Exchanges, each with the routing keys that are bound.",
    )


class LeapOptions(BaseModel, extra="forbid"):
    """What an operator can say of an ESI Leap provider."""

    cloud: str | None = Field(None, description="The cloud's name in clouds.yaml, for the APIs.")
    monitor: str = Field("auto", description="Where events come from. auto: the best source that is available.")
    monitor_options: dict[str, Any] = Field(
        default_factory=dict, description="Options of a monitor that an installed package brings."
    )
    amqp: LeapAmqp | None = Field(None, description="The notification bus.")
    event_skip_history: bool = Field(False, description="Begin now, and leave what the event history has from before.")
    event_overlap: int = Field(
        100, ge=0, le=10_000, description="How many ids below the highest one are read again for events that came late."
    )
    ignore: list[str] = Field(
        default_factory=list, description="Event types that are counted as rejected and not kept."
    )
    inventory: Literal["auto", "none"] = Field("auto", description="none: no inventory is read of this provider.")
