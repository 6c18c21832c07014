"""One AMQP 1.0 connection by Qpid Proton, which is there only where the extra ``stf`` is installed.

All of Proton that Catchment uses is in this module, and it is imported when a connection is made.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from tasks.model.errors import ProviderDown
from tasks.providers.openstack.stf_options import Stf
from tasks.providers.openstack.wire import BODY_LIMIT

#: Bytes that are taken off a message at once.
_PIECE = 65_536
#: Time to say goodbye, and to have what was said written.
GOODBYE_SECONDS = 1.0
#: Time for one answer of the router.
ANSWER_SECONDS = 5.0
#: How much of a message that is too large is kept, in bytes.
_QUOTE = 200


class Lost(Exception):
    """The connection is no more, or never was."""


class NotLetIn(Lost):
    """The router refuses the name or the password."""


class Taken(NamedTuple):
    """A message that has arrived and is not acknowledged yet."""

    body: bytes | str
    delivery: Any


def proton() -> Any:
    """The library. Raises :class:`tasks.model.errors.ProviderDown` with the way to install it."""
    try:
        import proton
        import proton.utils
    except ImportError as error:
        raise ProviderDown(
            f"the monitor stf needs python-qpid-proton, which cannot be loaded ({error}). Install it with "
            "`pip install 'catchment[stf]'`: it builds from source and needs a C compiler and OpenSSL's headers"
        ) from error
    return proton


class StfWire:
    """A connection with one receiver on the topic. For one thread at a time; it never connects again by itself.

    Raises :class:`Lost` or :class:`NotLetIn`, when it is made and by everything that is done with it.
    """

    def __init__(self, options: Stf) -> None:
        self._library = proton()
        self._options = options
        self._receiver: Any = None
        self._inbox = _Inbox(self._library)
        with self._telling():
            self._connection = self._connect()

    @property
    def arrived(self) -> list[Taken]:
        """What has arrived and was not taken away yet, the oldest first."""
        return self._inbox.arrived

    def attach(self, credit: int) -> None:
        """Ask for so many messages of the topic; with 0 only whether the topic may be read."""
        self._inbox = _Inbox(self._library)
        with self._telling():
            self._receiver = self._connection.create_receiver(self._options.address, credit=0, handler=self._inbox)
            if credit:
                self._receiver.flow(credit)

    def read(self, timeout: float) -> bool:
        """Wait for a message. False where none has come in ``timeout`` seconds."""
        inbox = self._inbox
        before = len(inbox.arrived)
        with self._telling(), suppress(self._library.Timeout):
            self._connection.wait(lambda: len(inbox.arrived) > before or inbox.over, timeout=timeout)
        if inbox.over:
            raise Lost(inbox.over)
        return len(inbox.arrived) > before

    def accept(self, taken: list[Taken]) -> None:
        """Acknowledge messages, and ask for as many more."""
        with self._telling():
            for _, delivery in taken:
                delivery.update(self._library.Delivery.ACCEPTED)
                delivery.settle()
            self._receiver.flow(len(taken))
            self._flush()

    def detach(self) -> None:
        """Give back all that was not acknowledged: the router has it again when the receiver is closed."""
        inbox, receiver = self._inbox, self._receiver
        self._inbox, self._receiver = _Inbox(self._library), None
        # Not receiver.close(): it waits for a word that RabbitMQ 3 does not say.
        with self._telling():
            receiver.link.close()
            self._connection.wait(lambda: inbox.over, timeout=ANSWER_SECONDS, msg="giving messages back")

    def close(self) -> None:
        """Say goodbye, and hang up whatever the answer is."""
        self._connection.timeout = GOODBYE_SECONDS
        # It may be gone already, which is all that is wanted.
        with suppress(self._library.ProtonException, OSError, AttributeError):
            self._connection.close()

    def _connect(self) -> Any:
        options, secret = self._options, self._options.password
        return self._library.utils.BlockingConnection(
            f"{'amqps' if options.secure else 'amqp'}://{options.peer}",
            timeout=options.connect_seconds,
            # Proton asks the other side for a sign of life in half of this.
            heartbeat=2 * options.heartbeat_seconds,
            ssl_domain=self._domain() if options.secure else None,
            user=options.user,
            password=secret.get_secret_value() if secret else None,
            allowed_mechs=self._mechanism(),
            # As on the other bus: whoever writes amqp:// has a network that nobody listens to.
            allow_insecure_mechs=True,
        )

    def _mechanism(self) -> str:
        if self._options.user is not None:
            return "PLAIN"
        return "EXTERNAL ANONYMOUS" if self._options.tls.cert else "ANONYMOUS"

    def _domain(self) -> Any:
        tls, library = self._options.tls, self._library.SSLDomain
        for path in (tls.ca, tls.cert, tls.key):
            if path is not None:
                path.open("rb").close()
        domain = library(library.MODE_CLIENT)
        if tls.cert:
            domain.set_credentials(str(tls.cert), str(tls.key or tls.cert), None)
        system = ssl.get_default_verify_paths()
        trusted = str(tls.ca) if tls.ca else system.cafile or system.capath
        if tls.verify and trusted:
            domain.set_trusted_ca_db(trusted)
        domain.set_peer_authentication(library.VERIFY_PEER_NAME if tls.verify else library.ANONYMOUS_PEER)
        return domain

    def _flush(self) -> None:
        """Have what was said written to the socket."""
        transport = self._connection.conn.transport
        with suppress(self._library.Timeout):
            self._connection.wait(lambda: transport.pending() <= 0, timeout=GOODBYE_SECONDS)

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Raise our own error for what Proton raises on a connection that is no more."""
        try:
            yield
        except self._library.Timeout as error:
            raise Lost("does not answer in time") from error
        except FileNotFoundError as error:
            raise Lost(f"was not asked: {error.filename} cannot be read ({error.strerror})") from error
        except (self._library.ProtonException, OSError, AttributeError) as error:
            words = str(error)[:300] or type(error).__name__
            if "unauthorized-access" in words or "Authentication failed" in words:
                raise NotLetIn(f"refuses the user {self._options.user!r}: check stf.user and stf.password") from error
            raise Lost(words) from error


class _Inbox:
    """Takes messages off the link as they come, each in pieces: one that is too large is never in memory whole."""

    def __init__(self, library: Any) -> None:
        self.arrived: list[Taken] = []
        self.over = ""
        self._library = library
        self._pieces: list[bytes] = []
        self._size = 0

    def on_delivery(self, event: Any) -> None:
        """Called by Proton for each piece of a message, and for what the other side says of one."""
        delivery = event.delivery
        if delivery.aborted:
            delivery.settle()
            self._pieces, self._size = [], 0
            return
        if not delivery.readable:
            return
        while delivery.pending and (piece := event.link.recv(_PIECE)):
            self._size += len(piece)
            if self._size <= BODY_LIMIT:
                self._pieces.append(piece)
        if delivery.partial:
            return
        event.link.advance()
        self.arrived.append(Taken(self._body(), delivery))
        self._pieces, self._size = [], 0

    def on_link_remote_close(self, event: Any) -> None:
        """Called by Proton when the other side ends the receiver."""
        self.over = str(event.link.remote_condition or "the router has ended the subscription")[:300]

    on_link_remote_detach = on_link_remote_close

    def _body(self) -> bytes | str:
        """The body of the message. What is no message is handed over as it is, for the desk of dead letters."""
        whole = b"".join(self._pieces)
        if self._size > BODY_LIMIT:
            return b"a message of %d bytes, more than are read; it begins with %r" % (self._size, whole[:_QUOTE])
        message = self._library.Message()
        try:
            message.decode(whole)
            body = message.body
        except (self._library.ProtonException, ValueError, TypeError, LookupError, RecursionError):
            return whole
        if isinstance(body, bytes | bytearray | memoryview):
            return bytes(body)
        return body if isinstance(body, str) else json.dumps(body, default=str)
