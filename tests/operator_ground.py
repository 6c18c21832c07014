"""A simulated cloud with an operator signed in to it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from examples.cloud.records import Server
from examples.cloud.running import Cloud, clouds_yaml
from tasks.model.event import ObjectRef
from tasks.providers.contracts import Attempt, ProviderConfig
from tasks.providers.openstack.operations import OpenStackOperator
from tasks.providers.openstack.session import cloud_session

KEY = "7:policy:p:true:act:server/s1:0"
NOTHING = "00000000-0000-0000-0000-000000000000"


class Hand:
    """Asks the operator for things, as the tries of one effect after another do."""

    def __init__(self, cloud: Cloud, folder: Path, **who: str) -> None:
        path = folder / f"{who.get('user', 'demo')}.yaml"
        path.write_text(clouds_yaml(cloud.url, **who))
        session = cloud_session("demo", path)
        self.cloud = cloud
        self.operator = OpenStackOperator(ProviderConfig("lab", "openstack", None, lambda: session))
        self.since = datetime.now(UTC)

    def server(self, name: str = "web-1") -> Server:
        return self.cloud.world.servers.named(name)

    def act(self, word: str, on: str = "web-1", attempt: int = 1, key: str = KEY, **params: Any) -> str:
        ref = ObjectRef("server", self.server(on).id)
        return self.operator.operate(word, ref, params, Attempt(key, attempt, self.since))
