"""The conversation with an SMTP server, and what its answers mean for another try."""

from __future__ import annotations

import contextlib
import smtplib
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any, Literal

from tasks.effects.deadline import Deadline
from tasks.effects.secrets import redact_text
from tasks.model.errors import Permanent, Transient

#: The longest whole conversation, and the longest wait for one answer, in seconds.
LIMIT_SECONDS = 60.0
ANSWER_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Server:
    """An SMTP server and how to sign in."""

    host: str
    port: int
    security: Literal["none", "starttls", "tls"]
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: str | None = None

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def deliver(message: EmailMessage, sender: str, recipients: Sequence[str], server: Server) -> dict[str, str]:
    """Hand a mail to a server; returns the recipients that it refused, with its words.

    Raises ``Transient`` or ``Permanent`` where it took the mail for nobody.
    """
    with Deadline(LIMIT_SECONDS) as deadline, _named(server, deadline):
        client = _client(server, deadline)
        try:
            code, text = client.connect(server.host, server.port)
            if code != 220:
                raise smtplib.SMTPConnectError(code, text)
            if server.security == "starttls":
                client.starttls(context=_tls(server))
            if server.user is not None:
                client.login(server.user, server.password or "")
            refused = client.send_message(message, sender, list(recipients))
            # From here on the mail is the server's: a failing farewell must not send it twice.
            with contextlib.suppress(smtplib.SMTPException, OSError):
                client.quit()
        finally:
            client.close()
    return {name: _words(code, text) for name, (code, text) in refused.items()}


def _client(server: Server, deadline: Deadline) -> smtplib.SMTP:
    class Plain(smtplib.SMTP):
        # smtplib's own subclass for TLS overrides the same method.
        def _get_socket(self, host: str, port: int, timeout: float) -> Any:
            connection: socket.socket = super()._get_socket(host, port, timeout)  # type: ignore[misc]  # not in the stubs
            deadline.show(connection)
            return connection

    class Secure(smtplib.SMTP_SSL):
        def _get_socket(self, host: str, port: int, timeout: float) -> Any:
            connection: socket.socket = super()._get_socket(host, port, timeout)  # type: ignore[misc]  # not in the stubs
            deadline.show(connection)
            return connection

    if server.security == "tls":
        return _with_host(Secure(timeout=ANSWER_SECONDS, context=_tls(server)), server)
    return _with_host(Plain(timeout=ANSWER_SECONDS), server)


def _with_host(client: smtplib.SMTP, server: Server) -> smtplib.SMTP:
    # connect() does not set the name that TLS verifies; only the constructor does, and it connects.
    client._host = server.host  # type: ignore[attr-defined]  # not in the stubs
    return client


def _tls(server: Server) -> ssl.SSLContext:
    if server.ca_file is None:
        return ssl.create_default_context()
    try:
        return ssl.create_default_context(cafile=server.ca_file)
    except (OSError, ssl.SSLError) as mistake:
        raise Permanent(
            f"mail.ca_file cannot be read as certificates ({type(mistake).__name__}): correct it"
        ) from mistake


@contextlib.contextmanager
def _named(server: Server, deadline: Deadline) -> Iterator[None]:
    """Say in our own names what smtplib raises: 5xx stays, everything else may pass."""
    try:
        yield
    except smtplib.SMTPRecipientsRefused as refusal:
        raise _all_refused(server, refusal.recipients) from None
    except smtplib.SMTPResponseException as answer:
        # Without its cause: a refused sign-in may be repeated by the server word for word.
        text = f"{server} answered {_words(answer.smtp_code, answer.smtp_error)}"
        raise (Permanent(text) if 500 <= answer.smtp_code < 600 else Transient(text)) from None
    except smtplib.SMTPNotSupportedError as mistake:
        raise Permanent(f"{server} cannot do what the mail settings ask for: {mistake}") from mistake
    except (smtplib.SMTPException, OSError, EOFError) as mistake:
        if deadline.passed:
            raise Transient(f"{server} did not take the mail within {LIMIT_SECONDS:g} s") from mistake
        reason = getattr(mistake, "strerror", None) or str(mistake) or type(mistake).__name__
        raise Transient(f"no conversation with {server}: {redact_text(reason, limit=300)}") from mistake
    except (ValueError, UnicodeError) as mistake:
        raise Permanent(
            "the mail cannot be written: an address or header has characters that mail cannot carry"
        ) from mistake


def _all_refused(server: Server, recipients: Mapping[str, tuple[int, bytes]]) -> Permanent | Transient:
    named = "; ".join(
        f"{redact_text(name, limit=320)} ({_words(code, text)})" for name, (code, text) in recipients.items()
    )
    text = redact_text(f"{server} refuses every recipient: {named}", limit=1000)
    # One that may be taken later is worth another try: nobody has got the mail yet.
    return Transient(text) if any(400 <= code < 500 for code, _ in recipients.values()) else Permanent(text)


def _words(code: int, text: bytes | str) -> str:
    said = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    return f"{code} {redact_text(' '.join(said.split()), limit=200)}"
