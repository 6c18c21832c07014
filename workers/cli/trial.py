"""Tries a provider from this host: signing in, each of its monitors, one read of its inventory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tasks.model.errors import CatchmentError
from tasks.providers.choose import AUTO, ask, choose
from tasks.providers.contracts import ProviderConfig, ProviderKind


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was tried. ``ok`` is None where there was nothing to try."""

    what: str
    ok: bool | None
    note: str


@dataclass(slots=True)
class Trial:
    """How a provider did. ``ok`` is that Catchment can work with it; not every monitor need be available."""

    provider: str
    kind: str
    ok: bool = True
    monitor: str | None = None
    steps: list[Step] = field(default_factory=list)

    def add(self, what: str, ok: bool | None, note: str, needed: bool = True) -> None:
        """Note a step; one that is needed and failed fails the provider."""
        self.steps.append(Step(what, ok, note))
        if needed and ok is False:
            self.ok = False

    def as_dict(self) -> dict[str, Any]:
        """The trial as plain data, ready for JSON."""
        steps = [{"what": step.what, "ok": step.ok, "note": step.note} for step in self.steps]
        return {"provider": self.provider, "kind": self.kind, "ok": self.ok, "monitor": self.monitor, "steps": steps}


def try_provider(provider: ProviderConfig, kind: ProviderKind) -> Trial:
    """Try everything about a provider, one thing after the other, whatever fails on the way. Never raises."""
    trial = Trial(provider.name, kind.name)
    _sign_in(trial, provider)
    _monitors(trial, provider, kind)
    _inventory(trial, provider, kind)
    return trial


def _sign_in(trial: Trial, provider: ProviderConfig) -> None:
    if provider.session is None:
        trial.add("sign in", None, "no cloud of clouds.yaml to sign in to: what follows signs in where it must")
        return
    try:
        token = provider.session().get_token()
    except Exception as error:  # noqa: BLE001 - whatever a cloud library raises is the answer of this step
        trial.add("sign in", False, _words(error))
        return
    trial.add("sign in", bool(token), "a token was given" if token else "no token was given")


def _monitors(trial: Trial, provider: ProviderConfig, kind: ProviderKind) -> None:
    """Each monitor by itself, then the choice that a catch would make."""
    named = getattr(provider.options, "monitor", AUTO)
    available: dict[str, bool] = {}
    for monitor in sorted(kind.monitors, key=lambda m: m.priority, reverse=True):
        if monitor.priority < 0 and monitor.name != named:
            continue
        found = ask(monitor, provider)
        available[monitor.name] = found.ok
        trial.add(f"monitor {monitor.name}", found.ok, found.reason or "available", needed=monitor.name == named)
    try:
        trial.monitor = choose(kind, provider).monitor_class.name
    except Exception as error:  # noqa: BLE001 - as above: choosing asks the monitors again
        trial.add("choice of monitor", False, _words(error))
        return
    if available.get(trial.monitor):
        trial.add("choice of monitor", True, trial.monitor)
    else:
        trial.add("choice of monitor", False, f"{trial.monitor} is named in providers.yaml and not available")


def _inventory(trial: Trial, provider: ProviderConfig, kind: ProviderKind) -> None:
    if kind.inventory is None:
        trial.add("inventory", None, f"providers of kind {kind.name} have no inventory to read")
        return
    try:
        reader = kind.inventory(provider)
        try:
            first = reader.kinds[0]
            found = next(iter(reader.read_all(first)), None)
        finally:
            reader.close()
    except Exception as error:  # noqa: BLE001 - whatever a cloud library raises is the answer of this step
        trial.add("inventory", False, _words(error))
        return
    trial.add("inventory", True, f"{first} can be read" if found else f"there is no {first}, and asking is allowed")


def _words(error: Exception) -> str:
    """The error in its own words; those of another library's errors begin with their name."""
    told = str(error).strip()
    if isinstance(error, CatchmentError):
        return told
    return f"{type(error).__name__}: {told}" if told else type(error).__name__
