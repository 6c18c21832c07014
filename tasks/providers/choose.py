"""Choose the monitor of a provider: the one that its options name, or the best that is available."""

from __future__ import annotations

from typing import NamedTuple

from tasks.model.errors import ProviderDown
from tasks.providers.contracts import Monitor, ProviderConfig, ProviderKind


class Choice(NamedTuple):
    """The chosen monitor, and each better one that was passed over with the reason."""

    monitor_class: type[Monitor]
    passed_over: list[tuple[str, str]]


def choose(kind: ProviderKind, provider: ProviderConfig) -> Choice:
    """The monitor of a provider.

    A monitor that the options name is taken without asking it first: whether its source answers shows
    when it is started. ``auto`` tries all by priority. Nothing is remembered between two calls, so a
    source that comes back is found at once (spec capture 1.2). Raises
    :class:`tasks.model.errors.ProviderDown` with every reason where none is available.
    """
    wanted = provider.options.monitor
    by_name = {monitor.name: monitor for monitor in kind.monitors}
    if wanted != "auto":
        return Choice(by_name[wanted], [])
    passed_over: list[tuple[str, str]] = []
    for monitor in sorted(kind.monitors, key=lambda m: m.priority, reverse=True):
        if monitor.priority < 0:
            continue
        availability = monitor.available(provider)
        if availability.ok:
            return Choice(monitor, passed_over)
        passed_over.append((monitor.name, availability.reason))
    reasons = "; ".join(f"{name}: {reason}" for name, reason in passed_over)
    raise ProviderDown(f"no monitor of {provider.name} is available. {reasons}")
