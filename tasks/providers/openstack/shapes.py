"""Tells from an event type what sort of object it is about and where its payload names that object.

A rule, not a list: a type starts with its resource (``port.update.end``) or with its service and then the
resource (``identity.user.created``, ``magnum.cluster.create``). The table holds only what breaks the rule.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from tasks.providers.openstack import timeline
from tasks.providers.openstack.aliases import canonical, has_twin

#: Stands for a type that names nothing, so that the column is never empty.
UNKNOWN = "unknown"

_PHASES = frozenset({"start", "end", "error"})

# fmt: off
#: First segments that name a service; the resource is the second one.
_SERVICES = frozenset({
    "identity", "orchestration", "compute", "baremetal", "baremetal_introspection", "dns", "magnum",
    "trove", "dbaas", "sahara", "senlin", "zun", "octavia", "manila", "barbican", "murano", "mistral",
    "masakari", "heat", "nova", "neutron", "cinder", "glance", "keystone", "ironic", "designate",
    "cyborg", "blazar", "watcher", "vitrage", "tacker", "karbor", "freezer", "esi_leap",
    "container_infra", "load_balancer", "key_manager", "workflow",
})
#: Services whose objects are *the* objects of that name; elsewhere a like name gets the service's in front.
_OWNERS = frozenset({"identity", "orchestration", "nova", "neutron", "cinder", "glance", "keystone"})
_COMMON = frozenset({
    "server", "instance", "image", "volume", "snapshot", "backup", "network", "subnet", "port", "router",
    "project", "user", "domain", "group", "role", "service", "host", "flavor",
})
# fmt: on
#: Words that mean a kind under another name.
_WORDS = {
    "floating_ip": "floatingip",
    "servergroup": "server_group",
    "tenant": "project",
    "qos_specs": "qos_spec",
}
#: Prefixes that break the rule: the kind (None: no object), and the word under which a payload names it.
_EXCEPTIONS: dict[str, tuple[str | None, str]] = {
    "compute.instance": ("server", "instance"),
    "instance": ("server", "instance"),
    "compute_task": ("server", "instance"),
    "scheduler.select_destinations": ("server", "instance"),
    "scheduler.run_instance": ("server", "instance"),
    "scheduler.create_volume": ("volume", "volume"),
    "scheduler": (None, "scheduler"),
    "compute.metrics": ("host", "host"),
    "compute.libvirt": ("host", "host"),
    "compute.exception": ("host", "host"),
    "hostapi": ("host", "host"),
    "network.floating_ip": ("floatingip", "floating_ip"),
    "router.interface": ("router", "router_interface"),
    "volume_type_extra_specs": ("volume_type", "volume_type"),
    "group": ("volume_group", "group"),
    "group_snapshot": ("volume_group_snapshot", "group_snapshot"),
    "baremetal.node": ("node", "node"),
    "hardware": ("node", "node"),
    "orchestration.autoscaling": ("stack", "stack"),
    "identity.authenticate": ("user", "user"),
    "tag": (None, "tag"),
    "event": (None, "event"),
    "audit": (None, "audit"),
    "http": (None, "http"),
    "telemetry": (None, "telemetry"),
    "dhcp_agent": (None, "agent"),
    "l3_agent": (None, "agent"),
}
#: Keys of the id where the rule ``<word>_id, <word>_uuid, resource_id, id, uuid`` does not hold, in order.
_ID_KEYS: dict[str, tuple[str, ...]] = {
    "server": ("instance_id", "instance_uuid", "server_id", "resource_id", "uuid"),
    "image": ("image_id", "id", "resource_id"),
    "stack": ("stack_id", "stack_identity", "resource_id", "id"),
    "aggregate": ("aggregate_id", "resource_id", "id"),
    "keypair": ("key_name", "name"),
    "flavor": ("flavorid", "flavor_id", "resource_id", "id"),
    "host": ("host", "host_name", "hostname", "nodename"),
    "volume_type": ("volume_type_id", "type_id", "resource_id", "id"),
    "server_group": ("server_group_id", "uuid", "resource_id", "id"),
}
_KIND = re.compile(r"[a-z][a-z0-9_]{0,62}")
_TYPE_LIMIT = 255


@dataclass(frozen=True, slots=True)
class Shape:
    """All that an event type alone says of its events.

    ``noun`` is the key under which a payload nests the object, ``id_keys`` the keys that may hold its
    id. ``identity`` marks Keystone's types, ``twin`` the facts that nova may send in two forms.
    """

    event_type: str
    kind: str | None
    noun: str
    id_keys: tuple[str, ...]
    phase: str | None
    group: str
    level: str
    identity: bool
    twin: bool


@lru_cache(maxsize=4096)
def shape_of(raw: str) -> Shape:
    """The shape of an event type, as sent or canonical."""
    event_type = canonical(raw[:_TYPE_LIMIT])
    segments = event_type.lower().replace("-", "_").split(".")
    kind, noun = _kind(segments)
    group, level = timeline.place(event_type)
    return Shape(
        event_type=event_type,
        kind=kind,
        noun=noun,
        id_keys=_id_keys(kind, noun),
        phase=segments[-1] if len(segments) > 1 and segments[-1] in _PHASES else None,
        group=group,
        level=level,
        identity=segments[0] == "identity",
        twin=has_twin(event_type),
    )


def singular(word: str) -> str:
    """One of many: ``security_groups`` to ``security_group``, ``policies`` to ``policy``."""
    word = word.lower().replace("-", "_")
    if word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def plural(word: str) -> str:
    """Many of one: the key under which a bulk request lists its objects."""
    return f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"


def kind_of(word: str) -> str | None:
    """The kind that a service's own word for an object means; None for what is no word."""
    kind = _WORDS.get(word, word)
    return kind if _KIND.fullmatch(kind) else None


def _kind(segments: list[str]) -> tuple[str | None, str]:
    for length in (2, 1):
        found = _EXCEPTIONS.get(".".join(segments[:length]))
        if found is not None:
            return found
    if len(segments) < 2:
        return None, segments[0]
    service = segments[0]
    if service not in _SERVICES:
        return kind_of(service), service
    # Keystone's extensions write ``OS-TRUST:trust``.
    noun = segments[1].rpartition(":")[2]
    kind = kind_of(noun)
    if kind in _COMMON and service not in _OWNERS:
        kind = f"{service}_{noun}"
    return kind, noun


def _id_keys(kind: str | None, noun: str) -> tuple[str, ...]:
    if kind is None:
        return ()
    return _ID_KEYS.get(kind, (f"{noun}_id", f"{noun}_uuid", "resource_id", "id", "uuid"))
