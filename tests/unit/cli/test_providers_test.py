"""Trying providers: each step is tried whatever failed before it, and a failure is an answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from tasks.model.errors import SignedOut
from tasks.model.event import ObjectRef
from tasks.providers.contracts import Availability, ProviderConfig, ProviderKind, Reading
from tasks.site.contracts import Site as LoadedSite
from tasks.site.settings import Settings
from tests.unit.cli.cli_ground import Site
from workers.cli import providers as command
from workers.cli.trial import try_provider


class Bus:
    name: ClassVar[str] = "bus"
    priority: ClassVar[int] = 10
    push: ClassVar[bool] = True

    @classmethod
    def available(cls, provider: ProviderConfig) -> Availability:
        return provider.options.bus


class Poll(Bus):
    name: ClassVar[str] = "poll"
    priority: ClassVar[int] = 5

    @classmethod
    def available(cls, provider: ProviderConfig) -> Availability:
        return provider.options.poll


class Nothing(Bus):
    name: ClassVar[str] = "nothing"
    priority: ClassVar[int] = -1


class Reader:
    kinds: ClassVar[tuple[str, ...]] = ("project", "server")
    closed: ClassVar[int] = 0

    def __init__(self, provider: ProviderConfig) -> None:
        self.answer = provider.options.inventory

    def read_all(self, kind: str) -> Iterator[Reading]:
        if isinstance(self.answer, Exception):
            raise self.answer
        yield from (Reading(ObjectRef(kind, ref), None, None) for ref in self.answer)

    def close(self) -> None:
        Reader.closed += 1


YES, NO = Availability(True), Availability(False, "refused")
KIND: Any = ProviderKind("cloud", None, dict, (Poll, Bus, Nothing), Reader)  # type: ignore[arg-type]  # a converter is not asked


class Session:
    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def get_token(self) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def config(
    session: Any = "t", monitor: str = "auto", bus: Any = YES, poll: Any = YES, inventory: Any = ("a",)
) -> ProviderConfig:
    options = SimpleNamespace(monitor=monitor, bus=bus, poll=poll, inventory=inventory)
    return ProviderConfig("north", "cloud", options, None if session is None else lambda: Session(session))


def steps(provider: ProviderConfig) -> dict[str, bool | None]:
    return {step.what: step.ok for step in try_provider(provider, KIND).steps}


def test_a_provider_that_does_all_can_be_used() -> None:
    before = Reader.closed
    trial = try_provider(config(), KIND)
    assert (trial.ok, trial.monitor) == (True, "bus")
    assert [step.what for step in trial.steps] == [
        "sign in", "monitor bus", "monitor poll", "choice of monitor", "inventory",
    ]  # fmt: skip
    assert Reader.closed == before + 1


def test_one_monitor_is_enough() -> None:
    trial = try_provider(config(bus=NO), KIND)
    assert (trial.ok, trial.monitor) == (True, "poll")
    assert [step.note for step in trial.steps if step.what == "monitor bus"] == ["refused"]


def test_no_monitor_at_all_is_a_failure() -> None:
    trial = try_provider(config(bus=NO, poll=NO), KIND)
    assert (trial.ok, trial.monitor) == (False, None)


def test_a_monitor_that_is_named_must_be_available_itself() -> None:
    assert not try_provider(config(monitor="bus", bus=NO), KIND).ok
    assert try_provider(config(monitor="poll", bus=NO), KIND).ok


def test_signing_in_that_fails_does_not_end_the_trial() -> None:
    provider = config(session=RuntimeError("no route"))
    found = steps(provider)
    assert (found["sign in"], found["inventory"]) == (False, True)
    trial = try_provider(provider, KIND)
    assert not trial.ok
    assert trial.steps[0].note == "RuntimeError: no route"


def test_the_token_is_not_shown() -> None:
    assert "geheim" not in json.dumps(try_provider(config(session="geheim"), KIND).as_dict())


def test_a_provider_without_cloud_or_inventory_has_nothing_to_try_there() -> None:
    bare: Any = ProviderKind("cloud", None, dict, (Bus,), None)  # type: ignore[arg-type]  # as above
    trial = try_provider(config(session=None), bare)
    assert trial.ok
    assert {step.what: step.ok for step in trial.steps}["inventory"] is None
    assert trial.steps[0].ok is None


def test_inventory_that_cannot_be_read_is_a_failure_and_an_empty_one_is_not() -> None:
    assert not try_provider(config(inventory=SignedOut("401")), KIND).ok
    assert try_provider(config(inventory=()), KIND).ok


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    north = config()
    south = ProviderConfig("south", "cloud", config(bus=NO, poll=NO).options, None)
    loaded = LoadedSite(str(tmp_path), "v", Settings(), {"north": north, "south": south}, {})
    monkeypatch.setattr(command, "load_site", lambda *_: (loaded, []))
    monkeypatch.setattr(command.readers, "kinds", lambda: {"cloud": KIND})
    monkeypatch.setattr(command.readers, "parts", lambda: ())
    return Site(tmp_path)


def test_the_command_ends_with_1_where_any_provider_fails(site: Site) -> None:
    found = json.loads(site.run("providers", "test", "--json", code=1).stdout)
    assert [(trial["provider"], trial["ok"]) for trial in found] == [("north", True), ("south", False)]
    assert "cannot be used" in site.run("providers", "test", code=1).stdout


def test_the_command_tries_one_provider_when_it_is_named(site: Site) -> None:
    assert [trial["monitor"] for trial in json.loads(site.run("providers", "test", "north", "--json").stdout)] == [
        "bus"
    ]
    assert "It names: north, south" in site.run("providers", "test", "west", code=2).stderr


def test_a_site_with_mistakes_is_told_and_nothing_tried(tmp_path: Path) -> None:
    site = Site(tmp_path)
    (tmp_path / "providers.yaml").write_text("providers: [")
    assert "providers.yaml" in site.run("providers", "test", code=2).stderr
