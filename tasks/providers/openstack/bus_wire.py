"""One live connection to a broker, read fast and closed quickly; it never connects again by itself."""

from __future__ import annotations

import time
from typing import Any

from amqp.exceptions import AMQPError

#: Bytes that are read from the socket at once. Larger pieces cost more in copying than they save in calls.
PIECE_BYTES = 16 * 1024
#: Time for one answer of the broker.
ANSWER_SECONDS = 10.0
#: Time to say goodbye to a broker, which may have gone without a word.
GOODBYE_SECONDS = 1.0
#: What py-amqp raises on a connection that is no more: where it has dropped its socket, an ``AttributeError``.
BROKEN = (AMQPError, OSError, AttributeError)


class Wire:
    """A connection of py-amqp that kombu has opened.

    kombu and py-amqp open a new connection when a lost one is looked at. It would know nothing of our
    bindings, so nothing is looked at here but what was there at first.
    """

    def __init__(self, connection: Any) -> None:
        self._amqp = connection
        self._transport = self._amqp.transport
        self._beat_at = 0.0
        self.be_patient()
        self._read_ahead()

    def _read_ahead(self) -> None:
        """Let py-amqp read what is there, up to a piece, into the buffer that it keeps anyway.

        By itself it asks the socket for each of the nine parts of a message. It has no public setting for
        that; where the attribute goes by another name some day, reading is slower and no less right.
        """
        receive = getattr(self._transport, "_quick_recv", None)
        if receive is not None:
            self._transport._quick_recv = lambda size: receive(max(size, PIECE_BYTES))

    def channel(self) -> Any:
        """A new channel."""
        return self._amqp.channel()

    def read_one(self, timeout: float) -> bool:
        """Handle one thing that the broker says. False where it says none in ``timeout`` seconds.

        Does what ``drain_events`` does, without setting the socket's timeout twice for each frame: the
        caller sets it back with :meth:`be_patient` before it speaks itself.
        """
        transport = self._transport
        if transport.sock.gettimeout() != timeout:
            transport.sock.settimeout(timeout)
        try:
            while not self._amqp.on_inbound_frame(transport.read_frame()):
                pass
        except TimeoutError:
            return False
        return True

    def be_patient(self) -> None:
        """Give the broker its time to take what we say, and to answer."""
        self._set_timeout(ANSWER_SECONDS)

    def heartbeat(self) -> None:
        """Send ours and look for theirs, once a second. Raises after two silent intervals."""
        now = time.monotonic()
        if now - self._beat_at >= 1.0:
            self._beat_at = now
            self.be_patient()
            self._amqp.heartbeat_tick()

    def close(self) -> None:
        """Say goodbye, and hang up whatever the answer is."""
        try:
            if self._amqp.connected:
                self._set_timeout(GOODBYE_SECONDS)
                self._amqp.close()
        except BROKEN:
            # It was gone already, which is all that was wanted.
            pass
        finally:
            self._amqp.collect()

    def _set_timeout(self, seconds: float) -> None:
        if self._transport.sock is not None:
            self._transport.sock.settimeout(seconds)
