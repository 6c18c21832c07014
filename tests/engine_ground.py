"""A simulated oVirt engine with a reader and an operator signed in to it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from examples.ovirt.records import Vm
from examples.ovirt.running import Engine
from tasks.model.event import ObjectRef
from tasks.providers.contracts import Attempt, ProviderConfig
from tasks.providers.ovirt.operations import OvirtOperator
from tasks.providers.ovirt.options import OvirtOptions

KEY = "7:policy:p:true:act:server/s1:0"
NOTHING = "00000000-0000-0000-0000-000000000001"


def lab(engine: Engine, *, name: str = "lab", **options: Any) -> ProviderConfig:
    """A provider that is this engine."""
    given = {"url": engine.url, "password": "secret", "insecure": True} | options
    return ProviderConfig(name, "ovirt", OvirtOptions.model_validate(given))


class Hand:
    """Asks the operator for things, as the tries of one effect after another do."""

    def __init__(self, engine: Engine, **options: Any) -> None:
        self.engine = engine
        self.operator = OvirtOperator(lab(engine, **options))
        self.since = datetime.now(UTC)

    def vm(self, name: str = "web-1") -> Vm:
        return self.engine.world.vm(name)

    def act(self, word: str, on: str = "web-1", attempt: int = 1, key: str = KEY, **params: Any) -> str:
        ref = ObjectRef("server", self.vm(on).id)
        return self.operator.operate(word, ref, params, Attempt(key, attempt, self.since))
