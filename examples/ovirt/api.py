"""The engine's API under ``/ovirt-engine/api``: what can be listed, read and done."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from examples.cloud.refusals import BadRequest, Conflict, Forbidden, Missing, NotAcceptable, NotSignedIn, Refusal
from examples.ovirt import views, vm_parts
from examples.ovirt.records import Actor, Vm
from examples.ovirt.search import Fields
from examples.ovirt.tokens import Tokens
from examples.ovirt.views import View
from examples.ovirt.wire import Request, Response, page

if TYPE_CHECKING:
    from examples.ovirt.world import World

_REASONS = {404: "Operation Failed", 403: "Forbidden", 409: "Operation Failed", 400: "Operation Failed"}
#: What a PUT to a VM may set: the JSON name, and the field of the record.
_SETTABLE = {"name": "name", "description": "description", "comment": "comment", "memory": "memory"}


class Api:
    """The API. Everything happens under the world's lock."""

    def __init__(self, world: World, tokens: Tokens) -> None:
        self.world = world
        self.tokens = tokens
        self.routes: list[tuple[str, re.Pattern[str], Callable[..., Response]]] = []
        self._route("GET", "", self.root)
        self._route("GET", "/events", self.events)
        self._route("GET", "/events/{key}", self.event)
        for path, name, table, show in self._collections():
            self._route("GET", f"/{path}", self._lister(name, table, show))
            self._route("GET", f"/{path}/{{key}}", self._reader(table, show))
        self._route("GET", "/datacenters/{key}/storagedomains", self.attached_domains)
        self._route("GET", "/datacenters/{key}/storagedomains/{domain}", self.attached_domain)
        self._route("GET", "/vms/{key}/{sub}", self.parts)
        self._route("POST", "/vms", self.create)
        self._route("PUT", "/vms/{key}", self.update)
        self._route("DELETE", "/vms/{key}", self.delete)
        self._route("POST", "/vms/{key}/snapshots", self.snapshot)
        self._route("DELETE", "/vms/{key}/snapshots/{snapshot}", self.delete_snapshot)
        self._route("POST", "/vms/{key}/tags", self.tag)
        self._route("DELETE", "/vms/{key}/tags/{tag}", self.untag)
        self._route("POST", "/tags", self.add_tag)
        for action in ("start", "stop", "shutdown", "suspend", "reboot", "reset"):
            self._route("POST", f"/vms/{{key}}/{action}", self._action(action))
        self._route("POST", "/vms/{key}/migrate", self.migrate)
        self._route("POST", "/hosts/{key}/deactivate", self._host_action("maintain"))
        self._route("POST", "/hosts/{key}/activate", self._host_action("activate"))

    def _collections(self) -> list[tuple[str, str, Mapping[str, Any], Callable[[World, Any], View]]]:
        world = self.world
        return [
            ("vms", "vm", world.vms.vms, views.vm),
            ("templates", "template", world.templates, views.template),
            ("hosts", "host", world.hosts, views.host),
            ("clusters", "cluster", world.clusters, views.cluster),
            ("datacenters", "data_center", world.data_centers, views.data_center),
            ("storagedomains", "storage_domain", world.storage_domains, views.storage_domain),
            ("disks", "disk", world.disks, views.disk),
            ("networks", "network", world.networks, views.network),
            ("vnicprofiles", "vnic_profile", world.networks, vm_parts.vnic_profile),
            ("tags", "tag", world.tags, views.tag),
        ]

    def _route(self, method: str, path: str, handler: Callable[..., Response]) -> None:
        pattern = re.compile(re.escape(views.API) + re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path) + "/?")
        self.routes.append((method, pattern, handler))

    def answer(self, request: Request) -> Response:
        """Check the token, find the route, do the work, put a refusal into a fault."""
        try:
            request.signed = self.tokens.check(request.headers.get("Authorization"))
            if "json" not in (request.headers.get("Accept") or ""):
                raise NotAcceptable("Only application/json is spoken here.")
            return self._handle(request)
        except NotSignedIn:
            refused = page(401, "Unauthorized")
            refused.headers["WWW-Authenticate"] = 'Basic realm="ENGINE"'
            return refused
        except Refusal as refusal:
            reason = _REASONS.get(refusal.status, "Operation Failed")
            return Response(refusal.status, {"detail": refusal.message, "reason": reason})

    def _handle(self, request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        for wanted, pattern, handler in self.routes:
            match = pattern.fullmatch(request.path)
            if match and wanted == method:
                if method != "GET" and not request.token.user.writes:
                    raise Forbidden("[User is not authorized to perform this action.]")
                return handler(request, **match.groupdict())
        return page(404, "Not Found")

    def _actor(self, request: Request) -> Actor:
        return request.actor(self.world.uuid())

    def root(self, request: Request) -> Response:
        """What the engine is, and where its collections are."""
        paths = ["events", *(path for path, *_ in self._collections())]
        return Response(
            200,
            {
                "link": [{"href": f"{views.API}/{path}", "rel": path} for path in paths],
                "product_info": {
                    "name": "oVirt Engine",
                    "vendor": "ovirt.org",
                    "version": {
                        "full_version": "4.5.4-1.el8",
                        "major": "4",
                        "minor": "5",
                        "build": "4",
                        "revision": "0",
                    },
                },
                "time": views.moment(self.world.now()),
                "summary": {
                    "hosts": {"total": str(len(self.world.hosts))},
                    "vms": {"total": str(len(self.world.vms.vms))},
                },
                "authenticated_user": views.link("users", request.token.user.id),
            },
        )

    def events(self, request: Request) -> Response:
        """Events: newest first unless the search sorts them; ``from`` leaves out that id and those below."""
        found = self.world.audit.find(request.whole("from") or -1, request.search())
        return Response(200, views.listed("event", [views.event(event) for event in found]))

    def event(self, request: Request, key: str) -> Response:
        """One event."""
        found = next((event for event in self.world.audit.events if str(event.id) == key), None)
        if found is None:
            raise Missing(f"Entity not found: {key}", "event", key)
        return Response(200, views.event(found))

    def _lister(
        self, name: str, table: Mapping[str, Any], show: Callable[[World, Any], View]
    ) -> Callable[[Request], Response]:
        def answer(request: Request) -> Response:
            paths, world = request.follow(), self.world
            found = request.search().apply(list(table.values()), self._fields)
            shown = [self._shown(thing, show(world, thing), paths) for thing in found]
            return Response(200, views.listed(name, shown))

        return answer

    def _reader(self, table: Mapping[str, Any], show: Callable[[World, Any], View]) -> Callable[..., Response]:
        def answer(request: Request, key: str) -> Response:
            thing = table.get(key)
            if thing is None:
                raise Missing(f"Entity not found: {key}", "", key)
            return Response(200, self._shown(thing, show(self.world, thing), request.follow()))

        return answer

    def _shown(self, thing: Any, shown: View, paths: list[str]) -> View:
        return vm_parts.follow(self.world, thing, shown, paths) if isinstance(thing, Vm) else shown

    def _fields(self, thing: Any) -> Fields:
        fields = {"id": thing.id, "name": thing.name, "alias": thing.name}
        fields["status"] = getattr(thing, "status", "")
        cluster = self.world.clusters.get(getattr(thing, "cluster", None) or "")
        host = self.world.hosts.get(getattr(thing, "host", None) or "")
        return fields | {"cluster": cluster.name if cluster else "", "host": host.name if host else ""}

    def attached_domains(self, request: Request, key: str) -> Response:
        """The storage domains of a data center, with their status there."""
        if key not in self.world.data_centers:
            raise Missing(f"Entity not found: {key}", "data_center", key)
        found = [domain for domain in self.world.storage_domains.values() if domain.data_center == key]
        shown = [views.attached_domain(self.world, domain) for domain in found]
        return Response(200, views.listed("storage_domain", shown))

    def attached_domain(self, request: Request, key: str, domain: str) -> Response:
        """One storage domain of a data center."""
        found = self.world.storage_domains.get(domain)
        if found is None or found.data_center != key:
            raise Missing(f"Entity not found: {domain}", "storage_domain", domain)
        return Response(200, views.attached_domain(self.world, found))

    def parts(self, request: Request, key: str, sub: str) -> Response:
        """What belongs to a VM."""
        vm, world = self.world.vms.get(key), self.world
        if sub == "nics":
            return Response(200, views.listed("nic", [vm_parts.nic(world, vm, found) for found in vm.nics]))
        if sub == "diskattachments":
            shown = [vm_parts.disk_attachment(world, vm, found) for found in vm.disks]
            return Response(200, views.listed("disk_attachment", shown))
        if sub == "snapshots":
            shown = [vm_parts.snapshot(world, vm, found) for found in vm.snapshots]
            return Response(200, views.listed("snapshot", shown))
        if sub == "tags":
            return Response(200, views.listed("tag", [views.tag(world, world.tags[found]) for found in vm.tags]))
        return page(404, "Not Found")

    def create(self, request: Request) -> Response:
        """Make a VM of a template in a cluster, each named by id or name."""
        wish = request.json()
        name, cluster, template = wish.get("name"), _named(wish, "cluster"), _named(wish, "template")
        if not isinstance(name, str) or cluster is None or template is None:
            raise BadRequest("Vm [name, cluster, template] required for add")
        vm = self.world.vms.create(name, cluster=cluster, template=template, actor=self._actor(request))
        return Response(201, views.vm(self.world, vm))

    def update(self, request: Request, key: str) -> Response:
        """Set a VM's name, description, comment, memory or custom properties."""
        wish = request.json()
        changes: dict[str, object] = {field: wish[name] for name, field in _SETTABLE.items() if name in wish}
        given = wish.get("custom_properties")
        if isinstance(given, dict):
            rows = [row for row in given.get("custom_property", []) if isinstance(row, dict)]
            changes["custom_properties"] = {str(row.get("name")): str(row.get("value")) for row in rows}
        return Response(200, views.vm(self.world, self.world.vms.update(key, changes, self._actor(request))))

    def delete(self, request: Request, key: str) -> Response:
        """Remove a VM."""
        self.world.vms.delete(key, self._actor(request))
        return _complete()

    def _action(self, action: str) -> Callable[..., Response]:
        def answer(request: Request, key: str) -> Response:
            request.json()
            self.world.vms.act(key, action, self._actor(request))
            return _complete()

        return answer

    def migrate(self, request: Request, key: str) -> Response:
        """Move a VM, to the host that the body names by id or name."""
        self.world.vms.migrate(key, _named(request.json(), "host"), self._actor(request))
        return _complete()

    def _host_action(self, name: str) -> Callable[..., Response]:
        def answer(request: Request, key: str) -> Response:
            getattr(self.world.places, name)(key, self._actor(request))
            return _complete()

        return answer

    def snapshot(self, request: Request, key: str) -> Response:
        """Take a snapshot."""
        wish = request.json()
        description = wish.get("description")
        if not isinstance(description, str):
            raise BadRequest("Snapshot [description] required for add")
        memory = str(wish.get("persist_memorystate", "true")).lower() == "true"
        made = self.world.vms.snapshot(key, description, self._actor(request), memory=memory)
        return Response(201, vm_parts.snapshot(self.world, self.world.vms.get(key), made))

    def delete_snapshot(self, request: Request, key: str, snapshot: str) -> Response:
        """Remove a snapshot."""
        self.world.vms.delete_snapshot(key, snapshot, self._actor(request))
        return _complete()

    def add_tag(self, request: Request) -> Response:
        """Make a tag."""
        name = request.json().get("name")
        if not isinstance(name, str):
            raise BadRequest("Tag [name] required for add")
        return Response(201, views.tag(self.world, self.world.vms.add_tag(name, self._actor(request))))

    def tag(self, request: Request, key: str) -> Response:
        """Give a VM a tag."""
        wish = request.json()
        wanted = wish.get("id") or wish.get("name")
        if not isinstance(wanted, str):
            raise BadRequest("Tag [id|name] required for add")
        if key not in self.world.vms.vms:
            raise Missing(f"Entity not found: {key}", "vm", key)
        try:
            made = self.world.vms.tag(key, wanted, self._actor(request))
        except Missing as refusal:
            raise Conflict(f"[{refusal.message}]", "tag") from refusal
        return Response(201, views.tag(self.world, made))

    def untag(self, request: Request, key: str, tag: str) -> Response:
        """Take a tag from a VM."""
        self.world.vms.untag(key, tag, self._actor(request))
        return _complete()


def _named(wish: dict[str, Any], name: str) -> str | None:
    """The id or the name of an object that a body refers to."""
    found = wish.get(name)
    key = (found.get("id") or found.get("name")) if isinstance(found, dict) else None
    return key if isinstance(key, str) else None


def _complete() -> Response:
    return Response(200, {"status": "complete"})
