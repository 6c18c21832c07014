"""Actions on servers: the operator that they make of the site, and what they refuse before they ask it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel

from tasks.effects import cloud
from tasks.effects.contracts import Done, EffectContext
from tasks.effects.table import actions
from tasks.model.errors import Permanent, Transient
from tasks.model.event import ObjectRef
from tasks.providers.contracts import Attempt, ProviderConfig, ProviderKind
from tasks.site.settings import Settings

SINCE = datetime(2031, 5, 4, 12, tzinfo=UTC)
SERVER = {"kind": "server", "id": "s1", "name": "web"}


class Operator:
    """Notes what it is asked for."""

    operations: ClassVar[Mapping[str, tuple[str, ...]]] = {"stop_server": ("server",), "delete_snapshots": ("server",)}
    asked: ClassVar[list[Any]] = []
    fails: ClassVar[list[Exception]] = []

    def __init__(self, provider: ProviderConfig) -> None:
        self.asked.append(provider.name)

    def operate(self, word: str, ref: ObjectRef, params: Mapping[str, Any], attempt: Attempt) -> str:
        self.asked.append((word, ref, dict(params), attempt))
        if self.fails:
            raise self.fails.pop()
        return "stopped"

    def close(self) -> None:
        self.asked.append("closed")


@pytest.fixture(autouse=True)
def table(monkeypatch: pytest.MonkeyPatch) -> None:
    known: dict[str, Any] = {
        "cloud": ProviderKind("cloud", None, dict, (), None, Operator),  # type: ignore[arg-type]  # no converter is called here
        "mute": ProviderKind("mute", None, dict, (), None),  # type: ignore[arg-type]  # as above
    }
    monkeypatch.setattr(cloud, "provider_kinds", lambda: known)
    Operator.asked.clear()
    Operator.fails.clear()


def run(word: str = "stop_server", target: Any = SERVER, provider: str = "lab", **params: Any) -> Done:
    providers = {name: ProviderConfig(name, kind, None) for name, kind in (("lab", "cloud"), ("quiet", "mute"))}
    event = {"id": 7, "provider": provider}
    context = EffectContext("key", 2, event, target, Settings.model_construct(), ".", providers, SINCE)
    action = actions()[word]
    model: type[BaseModel] = action.params
    return action.run(model.model_validate(params), context)


def test_operator_of_the_targets_provider_is_asked_and_closed() -> None:
    assert run() == Done("stopped", {"provider": "lab", "target": "server/s1"})
    wish = ("stop_server", ObjectRef("server", "s1"), {}, Attempt("key", 2, SINCE))
    assert Operator.asked == ["lab", wish, "closed"]


def test_operator_is_closed_when_it_fails() -> None:
    Operator.fails.append(Transient("busy", after=5))
    with pytest.raises(Transient) as raised:
        run("delete_snapshots", older_than="1d")
    assert raised.value.after == 5
    assert Operator.asked[-1] == "closed"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"target": None}, "works on a server, and the event is about no object"),
        ({"target": {"kind": "volume", "id": "v1"}}, "works on a server and not on volume/v1"),
        ({"provider": "gone"}, "no provider 'gone'.*providers.yaml"),
        ({"provider": "quiet"}, "quiet: a provider of the type mute cannot do stop_server to a server"),
        ({"word": "start_server"}, "lab: a provider of the type cloud cannot do start_server"),
    ],
)
def test_check_70_what_cannot_be_done_is_permanent_and_asks_nobody(given: dict[str, Any], said: str) -> None:
    with pytest.raises(Permanent, match=said):
        run(**given)
    assert Operator.asked == []
