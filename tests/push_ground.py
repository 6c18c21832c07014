"""What the tests of pushes stand on: an installation with two providers, its web application, and tokens."""

from __future__ import annotations

import warnings
from typing import Any

from tasks.conveyor.installation import Installation
from tasks.ledger import tokens
from tasks.ledger.session import Ledger
from tasks.model import clock
from tasks.providers.contracts import ProviderConfig
from tasks.providers.openstack.options import OpenStackOptions
from tasks.providers.webhook.options import WebhookOptions
from tests.ground import Sites, site
from workers.web.app import create_app
from workers.web.flow import Flow
from workers.web.intake import Intake

with warnings.catch_warnings():
    # Starlette asks for a successor of httpx that not every machine has; with httpx it works as well.
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

BASE = "http://127.0.0.1:8765"
CLOUDEVENT = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"

__all__ = ["BASE", "BATCH", "CLOUDEVENT", "PushGround", "TestClient", "cloudevent"]


class PushGround:
    """One web application that takes pushes for ``lab``, a cloud, and ``racks``, a webhook."""

    def __init__(self, ledger: Ledger, *, webhook: dict[str, Any] | None = None, **settings: Any) -> None:
        configured = [
            ProviderConfig("lab", "openstack", OpenStackOptions(ignore=["identity.authenticate"])),
            ProviderConfig("racks", "webhook", WebhookOptions.model_validate(webhook or {})),
        ]
        present = site(providers=configured, **settings)
        self.ledger = ledger
        self.installation = Installation(ledger, Sites(present), host="here")
        self.rung: list[set[int]] = []
        self.seconds = 0.0
        web = present.settings.web
        flow = Flow(web.push_per_second, web.push_burst, clock=lambda: self.seconds)
        self.intake = Intake(self.installation, self.rung.append, flow)
        self.app = create_app(ledger, present.settings, key=b"k" * 32, intake=self.intake)
        self.token: dict[str, str] = {}
        self.make("lab", "push", provider="lab")
        self.make("racks", "push", provider="racks")

    def make(self, name: str, role: str, **more: Any) -> None:
        """One more token."""
        with self.ledger.transaction() as session:
            self.token[name] = tokens.make(session, name, role, now=clock.now(), **more)

    def client(self, name: str, **headers: str) -> TestClient:
        """A client that sends this token with each request."""
        return TestClient(
            self.app,
            base_url=BASE,
            headers={"Authorization": f"Bearer {self.token[name]}", **headers},
            follow_redirects=False,
        )

    def push(self, name: str, body: Any, media: str = "application/json", **headers: str) -> Any:
        """Push a body to the token's own provider; what is no bytes is written as JSON."""
        client = self.client(name, **{"Content-Type": media, **headers})
        sent = {"content": body} if isinstance(body, bytes) else {"json": body}
        return client.post(f"/api/v1/push/{name.partition('-')[0]}", **sent)


def cloudevent(**more: Any) -> dict[str, Any]:
    """A CloudEvent of our own making."""
    return {
        "specversion": "1.0",
        "id": "7",
        "source": "/racks/4",
        "type": "rack.door.opened",
        "subject": "door/d-1",
        "time": "2031-05-04T12:00:00Z",
        "data": {"by": "erin"},
        **more,
    }
