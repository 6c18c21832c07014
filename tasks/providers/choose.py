"""Choose the monitor of a provider: the one that its options name, or the best that is available."""

from __future__ import annotations

from typing import NamedTuple

from tasks.model.errors import ProviderDown
from tasks.providers.contracts import Availability, Monitor, ProviderConfig, ProviderKind

#: The word by which an operator leaves the choice to Catchment.
AUTO = "auto"


class Choice(NamedTuple):
    """The chosen monitor, and each better one that was passed over with the reason."""

    monitor_class: type[Monitor]
    passed_over: list[tuple[str, str]]


def choose(kind: ProviderKind, provider: ProviderConfig) -> Choice:
    """The monitor of a provider.

    A monitor that the options name is taken without asking it first: whether its source answers shows
    when it is started, and nothing else is read in its place. ``auto`` asks all of a priority of zero and
    above, the highest first. Nothing is remembered between two calls or shared by two providers, so a
    source that comes back is found at once (spec capture 1.2). Raises
    :class:`tasks.model.errors.ProviderDown` with every reason where none is available.
    """
    wanted = getattr(provider.options, "monitor", AUTO)
    by_name = {monitor.name: monitor for monitor in kind.monitors}
    if wanted in by_name:
        return Choice(by_name[wanted], [])
    if wanted != AUTO:
        raise ProviderDown(
            f"{provider.name}: there is no monitor {wanted!r} for {kind.name}. Known are: {', '.join([AUTO, *by_name])}"
        )
    passed_over: list[tuple[str, str]] = []
    for monitor in sorted(kind.monitors, key=lambda m: m.priority, reverse=True):
        if monitor.priority < 0:
            continue
        answer = ask(monitor, provider)
        if answer.ok:
            return Choice(monitor, passed_over)
        passed_over.append((monitor.name, answer.reason))
    reasons = "; ".join(f"{name}: {reason}" for name, reason in passed_over)
    raise ProviderDown(f"{provider.name}: no monitor is available. {reasons}")


def ask(monitor: type[Monitor], provider: ProviderConfig) -> Availability:
    """Whether a monitor can serve a provider; whatever it does instead of saying so means that it cannot."""
    try:
        answer = monitor.available(provider)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a package's monitor that breaks the contract must not hide the others
        return Availability(False, _fit(f"it cannot say whether it is available: {type(error).__name__}: {error}"))
    if not isinstance(answer, Availability):
        return Availability(False, f"it answers with a {type(answer).__name__} when asked whether it is available")
    return Availability(bool(answer.ok), _fit(str(answer.reason)))


def _fit(reason: str) -> str:
    """A reason as the ledger can keep it."""
    return "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in reason[:1000])
