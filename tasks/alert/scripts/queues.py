"""The queues of a listener's configuration file: what they say of levels, and whether the site listens there.

Catchment has a queue of its own, so that nobody takes messages away from it. The named ones tell which levels the
file's sections are meant for.
"""

from __future__ import annotations

from collections.abc import Iterator

from tasks.alert.scripts.conf import Written
from tasks.providers.openstack.bus_options import Amqp
from tasks.site.contracts import Problem, SiteContext

#: The last words of the routing keys, and with them of the queues, that oslo.messaging publishes with.
LEVELS = ("audit", "critical", "debug", "error", "info", "sample", "warn")


def levels_of(queues: str) -> frozenset[str] | None:
    """The levels that the queues carry; None where the file names no queue."""
    names = _names(queues)
    return frozenset(name.rpartition(".")[2] for name in names) if names else None


def queue_problems(path: str, default: Written, context: SiteContext) -> Iterator[Problem]:
    """Queues that do not exist: no provider of the site listens to what goes there, or nothing ever does."""
    line = default.line_of("queues")
    topics = [topic for provider in context.providers.values() for topic in _topics(provider.options)]
    names = _names(default.options.get("queues", ""))
    if names and not topics:
        what = "no provider of the site listens to a bus, so nothing comes by the queues"
        yield Problem(path, line, what, "Give an esi_leap provider in providers.yaml its amqp section.", "warning")
    for name in names:
        topic, _, level = name.rpartition(".")
        if level not in LEVELS:
            mend = f"Queues are called {topic or 'esi_leap_versioned_notifications'}.info, .error and so on."
            yield Problem(path, line, f"the queue {name!r} does not exist: {level!r} is no level", mend)
        elif topics and not any(fits(pattern, name) for pattern in topics):
            what = f"the queue {name!r} does not exist for the site: no provider listens to its topic"
            yield Problem(path, line, what, f"Listened to are: {', '.join(sorted(set(topics)))} (amqp.exchanges).")


def fits(pattern: str, key: str) -> bool:
    """Whether a routing key fits a topic: ``*`` is one word, ``#`` any number of them."""
    return _fits(pattern.split("."), key.split("."))


def _fits(pattern: list[str], words: list[str]) -> bool:
    if not pattern:
        return not words
    if pattern[0] == "#":
        return any(_fits(pattern[1:], words[skipped:]) for skipped in range(len(words) + 1))
    return bool(words) and pattern[0] in ("*", words[0]) and _fits(pattern[1:], words[1:])


def _topics(options: object) -> list[str]:
    amqp = getattr(options, "amqp", None)
    return [topic for exchange in amqp.exchanges for topic in exchange.topics] if isinstance(amqp, Amqp) else []


def _names(queues: str) -> list[str]:
    return [name for name in (part.strip() for part in queues.split(",")) if name]
