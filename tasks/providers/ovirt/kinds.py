"""The kinds of oVirt's objects that inventory knows: where each one is, and what is kept of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from tasks.providers.openstack.attributes import Attributes
from tasks.providers.ovirt import attributes

#: Objects on a page of a list.
PAGE = 100
#: Pages of one list that are read at the most: an engine has far fewer objects.
MOST_PAGES = 10_000
_ID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def is_id(key: str) -> bool:
    """Whether a text can be an object's id: a UUID.

    Ids come with events, and events are not to be trusted: nothing in an id may lead to another address.
    """
    return bool(_ID.fullmatch(key))


@dataclass(frozen=True, slots=True)
class Kind:
    """How one kind is read: its collection, the key of a list of it, the field that lists are sorted by.

    ``follow`` names the links that the engine shall embed, so that one object needs one request.
    """

    collection: str
    element: str
    keep: Callable[[attributes.Found], Attributes]
    sort: str = "name"
    follow: str = ""


KINDS: dict[str, Kind] = {
    "data_center": Kind("datacenters", "data_center", attributes.data_center),
    "cluster": Kind("clusters", "cluster", attributes.cluster),
    "network": Kind("networks", "network", attributes.network),
    "storage_domain": Kind("storagedomains", "storage_domain", attributes.storage_domain),
    "disk": Kind("disks", "disk", attributes.disk, sort="alias"),
    "template": Kind("templates", "template", attributes.template),
    "host": Kind("hosts", "host", attributes.host),
    "server": Kind(
        "vms",
        "vm",
        attributes.server,
        follow="cluster,tags,disk_attachments,nics.reporteddevices,nics.vnic_profile",
    ),
}
