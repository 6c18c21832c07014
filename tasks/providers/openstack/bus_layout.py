"""Our queue on the bus and its bindings, made so that nothing of OpenStack's own is disturbed.

A service declares its exchange each time it connects, and the broker refuses one that is there with other
properties. So an exchange that is there is taken as it is, whatever its type and durability (spec capture
9 A12), and one that is absent is made as its neighbours are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import structlog
from amqp.exceptions import AccessRefused, ChannelError, NotFound, PreconditionFailed, ResourceLocked

from tasks.model.errors import ProviderDown
from tasks.providers.openstack.bus_options import Amqp, BusExchange

log = structlog.get_logger(__name__)


class BusLayout:
    """Declares what one provider needs on one connection.

    ``open_channel`` gives a new channel: a refusal closes the one on which it came. ``kept`` is whether queue
    and exchanges were there already, so that the broker has kept for us what was published meanwhile.
    """

    def __init__(self, provider: str, options: Amqp, open_channel: Callable[[], Any]) -> None:
        self._provider = provider
        self._options = options
        self._open_channel = open_channel
        self._channel: Any = None
        self.queue = options.queue_name(provider)
        self.kept = False

    def declare(self) -> None:
        """Make the queue and bind it, at every connection.

        A binding to an exchange that is not durable is gone when the broker comes back. Raises
        :class:`tasks.model.errors.ProviderDown` where the broker refuses, with what to do.
        """
        was_there = self._queue_is_there()
        self._declare_queue()
        absent = [exchange for exchange in self._options.exchanges if not self._is_there(exchange.exchange)]
        refused = self._make(absent)
        # One that may not be made was not there before either.
        self.kept = was_there and refused == {exchange.exchange for exchange in absent}
        bound = [exchange for exchange in self._options.exchanges if exchange.exchange not in refused]
        if not bound:
            raise ProviderDown(
                f"{self._provider}: none of the exchanges {', '.join(sorted(refused))} is there, and the user may not "
                "make them. Name those of your cloud as amqp.exchanges"
            )
        for exchange in bound:
            self._bind(exchange)
        self._usable().close()

    def _queue_is_there(self) -> bool:
        """Whether the queue is there, and not so full that the broker has thrown the oldest away."""
        try:
            found = self._usable().queue_declare(self.queue, passive=True)
        except ChannelError:
            return False
        longest = self._options.queue_max_length
        return longest is None or int(found.message_count) < longest

    def _declare_queue(self) -> None:
        name, arguments = self.queue, self._options.queue_arguments()
        try:
            self._usable().queue_declare(name, durable=True, exclusive=False, auto_delete=False, arguments=arguments)
        except (PreconditionFailed, ResourceLocked) as error:
            raise ProviderDown(
                f"{self._provider}: the queue {name!r} is there with other settings ({error.reply_text}). Set "
                "amqp.queue_ttl_seconds and amqp.queue_max_length as they were, or delete the queue when it is "
                "empty, or choose another name as amqp.queue"
            ) from error
        except AccessRefused as refusal:
            # Where users may not make queues, the broker's administrator has made it for us.
            try:
                self._usable().queue_declare(name, passive=True)
            except ChannelError as error:
                raise ProviderDown(
                    f"{self._provider}: the user may not make the queue {name!r} ({refusal.reply_text}). "
                    "Give it the permission to configure and write that queue, or make the queue for it"
                ) from error

    def _is_there(self, name: str) -> bool:
        try:
            self._usable().exchange_declare(name, "topic", passive=True, auto_delete=False)
        except NotFound:
            return False
        return True

    def _make(self, absent: Sequence[BusExchange]) -> set[str]:
        """Make exchanges that no service has made yet, so that its first notification finds us bound.

        Returns those that the user may not make: they are bound at a later connection, when their service
        has made them.
        """
        refused: set[str] = set()
        if not absent:
            return refused
        missing = {exchange.exchange for exchange in absent}
        like_others = self._neighbours_are_durable(
            [e.exchange for e in self._options.exchanges if e.exchange not in missing]
        )
        for exchange in absent:
            durable = like_others if exchange.durable is None else exchange.durable
            try:
                self._usable().exchange_declare(exchange.exchange, "topic", durable=durable, auto_delete=False)
            except PreconditionFailed:
                log.info("its service made the exchange meanwhile", provider=self._provider, exchange=exchange.exchange)
            except AccessRefused:
                refused.add(exchange.exchange)
        if refused:
            log.warning(
                "exchanges are not there and cannot be made; they are looked for again at the next connection",
                provider=self._provider,
                exchanges=sorted(refused),
            )
        return refused

    def _neighbours_are_durable(self, present: Sequence[str]) -> bool:
        """Whether OpenStack makes its exchanges durable here; not so unless it is set (spec capture 1.4)."""
        for name in present:
            for durable in (False, True):
                try:
                    self._usable().exchange_declare(name, "topic", durable=durable, auto_delete=False)
                except (PreconditionFailed, AccessRefused):
                    continue
                return durable
        return False

    def _bind(self, exchange: BusExchange) -> None:
        for topic in exchange.topics:
            try:
                self._usable().queue_bind(self.queue, exchange.exchange, topic)
            except ChannelError as error:
                raise ProviderDown(
                    f"{self._provider}: the queue {self.queue!r} cannot be bound to the exchange "
                    f"{exchange.exchange!r} ({error.reply_text}). Let the user read the exchange and write the queue"
                ) from error

    def _usable(self) -> Any:
        """A channel that no refusal has closed."""
        if self._channel is None or not self._channel.is_open:
            self._channel = self._open_channel()
        return self._channel
