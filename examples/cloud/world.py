"""The state of the simulated cloud, its clock, its dice and its voice."""

from __future__ import annotations

import hashlib
import random
import threading
import uuid
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal

from examples.cloud.backups import Backups
from examples.cloud.event_store import EventStore
from examples.cloud.groupings import Groupings
from examples.cloud.moves import Moves
from examples.cloud.networks import Networks
from examples.cloud.nodes import Nodes
from examples.cloud.notices import Notice
from examples.cloud.records import Actor, Flavor, Hypervisor, Image, Project, User
from examples.cloud.seed import sow
from examples.cloud.servers import Servers
from examples.cloud.stacks import Stacks
from examples.cloud.telemetry import event_of
from examples.cloud.volumes import Volumes

NovaFormat = Literal["unversioned", "versioned", "both"]

#: Notifications that are kept to be looked at; older ones are forgotten.
KEPT_NOTICES = 20_000


class World:
    """Everything there is in the cloud. Operations change it and publish what the services would.

    The same ``seed`` gives the same ids, names and choices. All work happens under ``lock``; changes
    are complete at once: no object stays in a passing state such as ``BUILD``. ``nova_format`` says which
    payload kinds nova publishes (spec capture 2.3); ``listeners`` get every notice as it is published.
    """

    def __init__(
        self, seed: int = 7, *, nova_format: NovaFormat = "both", clock: Callable[[], datetime] | None = None
    ) -> None:
        self.lock = threading.RLock()
        self.random = random.Random(seed)
        self.clock = clock or (lambda: datetime.now(UTC))
        self.nova_format = nova_format
        self.projects: dict[str, Project] = {}
        self.users: dict[str, User] = {}
        self.flavors: dict[str, Flavor] = {}
        self.images: dict[str, Image] = {}
        self.hypervisors: dict[str, Hypervisor] = {}
        self.networks = Networks(self)
        self.volumes = Volumes(self)
        self.servers = Servers(self)
        self.moves = Moves(self, self.servers)
        self.groupings = Groupings(self)
        self.backups = Backups(self)
        self.stacks = Stacks(self)
        self.nodes = Nodes(self)
        self.events = EventStore()
        self.notices: deque[Notice] = deque(maxlen=KEPT_NOTICES)
        self.listeners: list[Callable[[Notice], None]] = []
        #: Service types that the catalogue leaves out.
        self.absent: set[str] = set()
        #: Services that run elsewhere, by their type: where the catalogue says that they are.
        self.elsewhere: dict[str, str] = {}
        sow(self)

    def now(self) -> datetime:
        """The present moment by the world's clock, aware, in UTC."""
        return self.clock().astimezone(UTC)

    def uuid(self) -> str:
        """A new object id with dashes."""
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def hex_id(self) -> str:
        """A new id without dashes, as keystone gives them."""
        return self.uuid().replace("-", "")

    def request_id(self) -> str:
        """A new request id."""
        return f"req-{self.uuid()}"

    def digest(self, text: str) -> str:
        """A stable hexadecimal stand-in for checksums and host ids."""
        return hashlib.sha512(text.encode()).hexdigest()

    def project(self, name: str) -> Project:
        """A project by its name. Raises ``KeyError`` where there is none."""
        return next((p for p in self.projects.values() if p.name == name), None) or self.projects[name]

    def user(self, name: str) -> User:
        """A user by name. Raises ``KeyError`` where there is none."""
        return next((u for u in self.users.values() if u.name == name), None) or self.users[name]

    def actor(self, user: str = "demo", project: str = "demo") -> Actor:
        """Somebody to act for, with a new request id."""
        return Actor(self.user(user), self.project(project), self.request_id())

    def publish(
        self,
        actor: Actor,
        exchange: str,
        event_type: str,
        publisher_id: str,
        payload: dict[str, Any],
        *,
        topic: str = "notifications",
        priority: str = "INFO",
    ) -> Notice:
        """Publish a notification: to the listeners, to ``notices`` and, as telemetry would, to ``events``."""
        with self.lock:
            message_id, unique = self.uuid(), self.hex_id()
            notice = Notice(
                exchange,
                event_type,
                publisher_id,
                payload,
                actor,
                message_id,
                unique,
                self.now(),
                topic,
                priority,
            )
            self.notices.append(notice)
            event = event_of(notice)
            if event is not None:
                self.events.add(event)
            for listener in self.listeners:
                listener(notice)
        return notice

    def create_project(self, name: str, actor: Actor | None = None) -> Project:
        """Make a project, as keystone would."""
        with self.lock:
            actor = actor or self.actor()
            project = Project(self.hex_id(), name)
            self.projects[project.id] = project
            self._audit(actor, "project", "created", project.id)
            return project

    def delete_project(self, project_id: str, actor: Actor | None = None) -> None:
        """Remove a project. Raises ``KeyError`` for one that is not there."""
        with self.lock:
            del self.projects[project_id]
            self._audit(actor or self.actor(), "project", "deleted", project_id)

    def update_project(self, project_id: str, description: str, actor: Actor | None = None) -> Project:
        """Describe a project anew. Raises ``KeyError`` for one that is not there."""
        with self.lock:
            project = self.projects[project_id]
            project.description = description
            self._audit(actor or self.actor(), "project", "updated", project_id)
            return project

    def create_user(self, name: str, actor: Actor | None = None) -> User:
        """Make a user without roles."""
        with self.lock:
            user = User(self.hex_id(), name, self.hex_id())
            self.users[user.id] = user
            self._audit(actor or self.actor(), "user", "created", user.id)
            return user

    def delete_user(self, user_id: str, actor: Actor | None = None) -> None:
        """Remove a user. Raises ``KeyError`` for one that is not there."""
        with self.lock:
            del self.users[user_id]
            self._audit(actor or self.actor(), "user", "deleted", user_id)

    def _audit(self, actor: Actor, kind: str, action: str, target: str) -> None:
        payload = {
            "typeURI": "http://schemas.dmtf.org/cloud/audit/1.0/event",
            "eventType": "activity",
            "id": self.uuid(),
            "eventTime": self.now().strftime("%Y-%m-%dT%H:%M:%S.%f+0000"),
            "action": f"{action}.{kind}",
            "outcome": "success",
            "observer": {"id": self.digest("identity")[:32], "typeURI": "service/security"},
            "initiator": {
                "id": actor.user.id,
                "typeURI": "service/security/account/user",
                "host": {"address": "192.0.2.10", "agent": "openstacksdk"},
                "user_id": actor.user.id,
                "project_id": actor.project.id,
                "request_id": actor.request_id,
                "username": actor.user.name,
            },
            "target": {
                "id": target,
                "typeURI": "data/security/account/user" if kind == "user" else f"data/security/{kind}",
            },
            "resource_info": target,
        }
        self.publish(actor, "keystone", f"identity.{kind}.{action}", "identity.control1", payload)
