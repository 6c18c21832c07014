"""Why a provider is as it is, in sentences for the status page."""

from __future__ import annotations

from datetime import datetime

from tasks.ledger import health
from tasks.ledger.health import ProviderHealth
from workers.web.views import ago


def reasons(provider: ProviderHealth, now: datetime) -> list[str]:
    """What led to the word, and what else an operator would want to know."""
    found = []
    if provider.state in health.FAILED:
        found.append(f"{ago(provider.failed_at, now)}: {provider.failure or 'the contact failed'}")
    if provider.state == health.SILENT:
        found.append("nobody has asked it lately: does the clock run, and a worker of the catch stage?")
    if provider.state == health.NEVER:
        found.append("no contact yet: the first comes within 20 s of the start of clock and workers")
    if provider.state == health.SUSPICIOUS and provider.silence_limit is not None:
        limit, since = ago(provider.silence_limit), ago(provider.silent_since, now)
        found.append(f"the last thing came {since}; by its own history {limit} would be too long")
    elif provider.state == health.SUSPICIOUS:
        found.append(f"the last thing came {ago(provider.silent_since, now)}")
    found += [gap.told() for gap in provider.gaps]
    if not provider.ready:
        found.append("its inventory was never read, and until then its events wait before the switchboard")
    elif provider.ready_note:
        found.append(provider.ready_note)
    if provider.listener and not provider.listener_alive:
        found.append(f"its listener {provider.listener} is not heard of any more")
    found += [f"monitor {name} cannot serve it: {why}" for name, why in sorted(provider.passed_over.items())]
    return found
