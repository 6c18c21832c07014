"""Words for what goes wrong with a broker: why it refuses, and what to do."""

from __future__ import annotations

import socket
import ssl

from amqp.exceptions import AccessRefused, NotAllowed

from tasks.providers.openstack.bus_options import Broker


def refusal(broker: Broker, error: Exception) -> str:
    """Why a broker took no connection, and what to do."""
    if isinstance(error, AccessRefused):
        return f"refuses the user {broker.user!r}: check the name in amqp.urls and the password"
    if isinstance(error, NotAllowed):
        return f"does not let {broker.user!r} into the virtual host {broker.virtual_host!r}: {reason(error)}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"has a certificate that is not trusted ({error.verify_message}): set amqp.tls.ca"
    if isinstance(error, ssl.SSLError):
        return f"does not speak TLS as it should ({error.reason or error}): check the port and amqp.tls"
    if isinstance(error, TimeoutError):
        return "does not answer in time"
    if isinstance(error, ConnectionRefusedError):
        return "listens on no such port"
    if isinstance(error, socket.gaierror):
        return "is a name that is not known"
    if isinstance(error, FileNotFoundError | PermissionError) and error.filename:
        return f"was not asked: {error.filename} cannot be read ({error.strerror})"
    return f"takes no connection: {reason(error)}"


def reason(error: Exception) -> str:
    """The words of an error, cut: the other side chose some of them."""
    return str(getattr(error, "reply_text", "") or error or type(error).__name__)[:300]
