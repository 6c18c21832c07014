"""The action ``webhook``: send the event to an HTTP address, signed."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, field_validator

from tasks.effects import exchange
from tasks.effects.contracts import Done, EffectContext
from tasks.effects.document import event_json, header_safe
from tasks.effects.secrets import redact_text, reveal
from tasks.model import clock
from tasks.model.errors import Permanent, Transient

#: Answers that ask for another try, beside all of 5xx.
TRY_AGAIN = frozenset({408, 425, 429})
#: A receiver may ask for a pause, not for silence.
MAX_PAUSE_SECONDS = 86_400.0

#: Set by Catchment or by the transport; a site cannot set them.
_KEPT = frozenset(
    {
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "idempotency-key",
        "x-catchment-signature",
        "x-catchment-attempt",
    }
)
_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


class WebhookParams(BaseModel, extra="forbid"):
    """Where to send what. ``url``, header values and ``secret`` may be ${env:NAME} or ${file:path}."""

    url: str = Field(min_length=1, description="http:// or https:// address.")
    method: Literal["POST", "PUT", "PATCH", "DELETE", "GET"] = Field("POST", description="HTTP method.")
    headers: dict[str, str] = Field(default_factory=dict, description="Headers to add.")
    body: str | None = Field(None, description="Text to send. The event as JSON when it is not given.")
    secret: str | None = Field(
        None, description="Key of the signature, as ${env:NAME} or ${file:path}: never write the key itself."
    )
    ca_file: str | None = Field(
        None, description="Certificates to trust, relative to the site. The system's when it is not given."
    )
    timeout_seconds: float = Field(10.0, gt=0, le=60, description="The longest exchange, answer included.")

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        if not url.startswith(("http://", "https://", "${")):
            raise ValueError("it must begin with http:// or https://, or be a reference such as ${env:HOOK_URL}")
        return url

    @field_validator("headers")
    @classmethod
    def _are_headers(cls, headers: dict[str, str]) -> dict[str, str]:
        for name in headers:
            if not name or not set(name) <= _TOKEN:
                raise ValueError(f"{name!r} cannot be the name of a header")
            if name.lower() in _KEPT:
                raise ValueError(f"the header {name} is set by Catchment: remove it here")
        return headers

    @field_validator("secret")
    @classmethod
    def _is_a_reference(cls, secret: str | None) -> str | None:
        if secret is not None and not secret.startswith(("${env:", "${file:")):
            # The text itself is not repeated: it may well be the key.
            raise ValueError("name the key as ${env:NAME} or ${file:path}: a key does not belong in this file")
        return secret


@dataclass(frozen=True, slots=True)
class _Outgoing:
    request: exchange.Request
    secrets: list[str]


class Webhook:
    """Sends the event. A 2xx answer is done; 408, 425, 429, 5xx and no answer are tried again."""

    name: ClassVar[str] = "webhook"
    params: ClassVar[type[BaseModel]] = WebhookParams
    limit_seconds: ClassVar[float] = 60.0

    def run(self, params: WebhookParams, context: EffectContext) -> Done:
        """Send once.

        ``Idempotency-Key`` is the effect's key, equal at every try. With ``secret``,
        ``X-Catchment-Signature: t=<unix seconds>,v1=<hex>`` is the HMAC-SHA256 of ``<t>.<body>``.
        Raises ``Transient`` and ``Permanent`` as the class says, ``Retry-After`` honoured.
        """
        outgoing = _outgoing(params, context)
        answer = exchange.send(outgoing.request)
        said = redact_text(answer.body.decode("utf-8", "replace"), outgoing.secrets, 500)
        host = outgoing.request.host
        if 200 <= answer.status < 300:
            detail = {"status": answer.status, "seconds": round(answer.seconds, 3), "response": said}
            return Done(f"{host} answered {answer.status}", detail)
        raise _refusal(answer, host, said)


def _outgoing(params: WebhookParams, context: EffectContext) -> _Outgoing:
    url, secrets = reveal(params.url, context)
    body = params.body.encode("utf-8", "replace") if params.body is not None else event_json(context)
    headers = {"user-agent": "Catchment", "content-type": _content_type(body, params.body is None)}
    for name, text in params.headers.items():
        headers[name.lower()], found = reveal(text, context)
        secrets += found
    headers["idempotency-key"] = header_safe(context.key)
    headers["x-catchment-attempt"] = str(context.attempt)
    if params.secret is not None:
        key, found = reveal(params.secret, context)
        secrets += found
        headers["x-catchment-signature"] = sign(key, body, int(clock.now().timestamp()))
    for name, value in headers.items():
        if any(ord(c) < 32 or ord(c) == 127 for c in value):
            raise Permanent(f"the header {name} would hold a line end or another control character: nothing was sent")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Permanent("the url is no http:// or https:// address: correct url, or the reference that it holds")
    request = exchange.Request(
        params.method, url, headers, body, params.timeout_seconds, _trusted(params, context), parts.hostname
    )
    return _Outgoing(request, secrets)


def sign(key: str, body: bytes, moment: int) -> str:
    """The value of ``X-Catchment-Signature`` for a body sent at a moment (unix seconds)."""
    digest = hmac.new(key.encode("utf-8"), f"{moment}.".encode("ascii") + body, hashlib.sha256)
    return f"t={moment},v1={digest.hexdigest()}"


def _trusted(params: WebhookParams, context: EffectContext) -> str | None:
    return None if params.ca_file is None else exchange.certificates(params.ca_file, context.site_root)


def _content_type(body: bytes, ours: bool) -> str:
    if not ours:
        try:
            json.loads(body)
        except (ValueError, RecursionError):
            return "text/plain; charset=utf-8"
    return "application/json"


def _refusal(answer: exchange.Answer, host: str, said: str) -> Permanent | Transient:
    text = f"{host} answered {answer.status}" + (f": {said}" if said.strip() else "")
    if answer.status in TRY_AGAIN or answer.status >= 500:
        return Transient(text, after=_pause(answer.headers))
    if 300 <= answer.status < 400:
        return Permanent(f"{text}. Redirects to another host are not followed: set url to the final address")
    return Permanent(text)


def _pause(headers: Mapping[str, str]) -> float | None:
    """The pause that ``Retry-After`` asks for, in seconds or as a date (RFC 9110 10.2.3)."""
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        seconds = float(text[:12])
    else:
        try:
            seconds = (parsedate_to_datetime(text) - clock.now()).total_seconds()
        except (ValueError, TypeError):
            return None
    return min(max(seconds, 0.0), MAX_PAUSE_SECONDS)
