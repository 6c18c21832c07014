"""Questions to OpenStack that openstacksdk has no word for, or asks in a way that does not fit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from openstack import exceptions as sdk_errors
from openstack.compute.v2.server_group import ServerGroup
from openstack.orchestration.v1.stack import Stack
from openstack.utils import supports_microversion

from tasks.model.errors import Gone, Permanent

#: Objects on a page of a list; nova and cinder give 1000 at the most.
PAGE = 500
#: A microversion in which nova names a host by uuid and still tells its figures (2.53 to 2.87).
HOST_MICROVERSION = "2.53"
#: The zone in which nova lists its own processes.
_NO_PLACE = "internal"
#: Heat shows a stack that was deleted to whoever knows its id.
_DELETED = "DELETE_COMPLETE"
_OWNER = re.compile(r"/v1/([0-9a-zA-Z-]{1,64})/stacks/")


def hosts(compute: Any, **query: Any) -> Iterator[Any]:
    """Compute hosts, with the figures of each where nova still tells them."""
    version = HOST_MICROVERSION if supports_microversion(compute, HOST_MICROVERSION) else None
    found: Iterator[Any] = compute.hypervisors(details=True, microversion=version, **query)
    return found


def host(compute: Any, name: str) -> Any:
    """A host by its name: nova's own search answers 404 where nothing is like it."""
    for found in hosts(compute, hypervisor_hostname_pattern=name):
        if name in (host_name(found), found.name):
            return found
    raise Gone(f"nova's list of hosts has no {name}")


def host_name(found: Any) -> Any:
    """The name by which events know a host: that of its nova-compute service."""
    service = found.service_details
    return (service.get("host") if isinstance(service, dict) else None) or found.name


def zones(compute: Any, every: bool) -> Iterator[Any]:
    """Availability zones that servers can be in; their hosts are for administrators."""
    return (found for found in compute.availability_zones(details=every) if found.name != _NO_PLACE)


def zone(compute: Any, name: str) -> Any:
    """A zone by its name. Nova has no address for one, so its list decides."""
    try:
        found = list(zones(compute, True))
    except sdk_errors.ForbiddenException:
        found = list(zones(compute, False))
    for one in found:
        if isinstance(one.name, str) and quote(one.name, safe="") == name:
            return one
    raise Gone(f"nova's list of availability zones has no {name}")


def server_groups(compute: Any, every: bool) -> Iterator[Any]:
    """Server groups. Nova counts their pages by offset and knows no marker."""
    first, word = 0, "all_projects=True&" if every else ""
    while True:
        address = f"{ServerGroup.base_path}?{word}limit={PAGE}&offset={first}"
        found = list(ServerGroup.list(compute, paginated=False, base_path=address))
        yield from found
        if len(found) < PAGE:
            return
        first += PAGE


def keypair(compute: Any, key: str) -> Any:
    """A key pair by ``USER:NAME``: names of key pairs are unique to a user only."""
    user, colon, name = key.partition("%3A")
    if not colon:
        raise Permanent(f"a key pair is named USER:NAME; {key[:100]!r} is not")
    found = compute.get_keypair(name, user_id=user)
    found.user_id = found.user_id or user
    return found


def keypairs(compute: Any, every: bool) -> Iterator[Any]:
    """Key pairs, user by user: nova lists those of one user at a time and does not say whose they are."""
    own = compute.get_user_id()
    others = (found.id for found in compute._get_connection().identity.users()) if every else iter((own,))
    for user in others:
        for found in compute.keypairs(**({"user_id": user} if every else {})):
            found.user_id = user
            yield found


class WholeStack(Stack):
    """A stack with what it is made of, and whose it is."""

    #: The rows of heat's list of its resources.
    parts: Any = None
    owner_project_id: str | None = None


def stack(heat: Any, key: str) -> Any:
    """A stack by id, from whichever project; heat leads from the id to the stack's own address."""
    answer = heat.get(f"/stacks/{key}?resolve_outputs=False")
    sdk_errors.raise_from_response(answer)
    body = answer.json()["stack"]
    if body.get("stack_status") == _DELETED:
        raise Gone(f"heat has deleted the stack {key}")
    return _whole(heat, WholeStack.existing(**body))


def stacks(heat: Any, every: bool) -> Iterator[Any]:
    """Stacks with the nested ones, each with its resources: one request more for each."""
    address = f"{Stack.base_path}?show_nested=True" + ("&global_tenant=True" if every else "")
    for found in WholeStack.list(heat, base_path=address, limit=PAGE):
        try:
            yield _whole(heat, found)
        except sdk_errors.NotFoundException:
            continue  # it went while the list was read


def _whole(heat: Any, found: Any) -> Any:
    """A stack with its resources; whose it is stands in its own address alone."""
    answer = heat.get(f"/stacks/{quote(str(found.name), safe='')}/{quote(str(found.id), safe='')}/resources")
    sdk_errors.raise_from_response(answer)
    found.parts = answer.json()["resources"]
    own = next((link.get("href") for link in found.links or () if link.get("rel") == "self"), None)
    match = _OWNER.search(own or "")
    found.owner_project_id = match[1] if match else None
    return found
