"""Requests to an oVirt engine: signing in once for many of them, with bounded patience and bounded answers."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import requests
import urllib3

from tasks.model.errors import ProviderDown, SignedOut
from tasks.providers.contracts import ProviderConfig
from tasks.providers.ovirt.failures import NotAnEngine, broken, refused, sso_refusal
from tasks.providers.ovirt.options import OvirtOptions

#: The part of the API that this is written for, and how much of it is asked for.
SCOPE = "ovirt-app-api"
VERSION = "4"
#: Seconds to wait for a connection.
CONNECT_SECONDS = 5.0
#: Bytes of one answer that are read; a page of 5000 events stays far below.
ANSWER_BYTES = 32 * 1024 * 1024
#: Seconds before its end at which a token is renewed.
RENEW_SECONDS = 30.0
_CHUNK = 65_536


@dataclass(frozen=True, slots=True)
class Access:
    """Where an engine is and how to sign in to it. ``process`` keeps connections from being shared by a fork."""

    provider: str
    url: str
    username: str
    password: str = field(repr=False)
    sign_in: str
    verify: bool | str
    seconds: float
    process: int


def engine_of(provider: ProviderConfig, seconds: float | None = None) -> Engine:
    """The engine of a provider: the same one each time, so that many polls need one sign-in.

    ``seconds`` is what an answer may take where that is less than the options say.
    """
    options: OvirtOptions = provider.options
    return _engine(
        Access(
            provider.name,
            options.url,
            options.username,
            options.password.get_secret_value(),
            options.sign_in,
            not options.insecure if options.ca_file is None else str(options.ca_file),
            min(options.timeout_seconds, seconds or options.timeout_seconds),
            os.getpid(),
        )
    )


@lru_cache(maxsize=64)
def _engine(access: Access) -> Engine:
    return Engine(access)


class Engine:
    """One engine. Several threads may use it: connections are pooled, and a token is fetched under a lock."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._session = requests.Session()
        # No .netrc, no proxy's password, no certificates by the environment: the options say it all.
        self._session.trust_env = False
        self._session.verify = access.verify
        self._token: str | None = None
        self._until = 0.0
        self._lock = threading.Lock()

    def get(self, path: str, params: Mapping[str, str | int] | None = None) -> dict[str, Any]:
        """An object of the API, ``path`` being below ``/api`` (spec capture 6). See :meth:`request`."""
        return self.request("GET", path, params)

    def request(
        self,
        method: str,
        path: str,
        params: Mapping[str, str | int] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Send one request; a token that the engine does not know any more is renewed once.

        Raises ``SignedOut``, ``Transient``, ``ProviderDown``; what the engine refuses (400 and above) keeps its
        status (:class:`tasks.providers.ovirt.failures.EngineRefusal`).
        """
        for last in (False, True):
            sign = self._sign()
            status, headers, content = self._send(method, f"/api{path}", sign, params, body)
            if status != 401 or last or self._access.sign_in == "basic":
                break
            self._forget(sign)
        if status >= 300:
            raise refused(self._access.provider, method, path, status, headers, content)
        return self._read(content) if content.strip() else {}

    def _send(
        self,
        method: str,
        path: str,
        sign: str | None,
        params: Mapping[str, str | int] | None = None,
        body: Mapping[str, Any] | None = None,
        form: Mapping[str, str] | None = None,
    ) -> tuple[int, Mapping[str, str], bytes]:
        headers = {"Accept": "application/json", "Version": VERSION}
        if sign is not None:
            headers["Authorization"] = sign
        seconds = self._access.seconds
        with self._named():
            response = self._session.request(
                method,
                self._access.url + path,
                params=params,
                json=body,
                data=form,
                headers=headers,
                timeout=(min(CONNECT_SECONDS, seconds), seconds),
                # A redirect would carry the token to wherever it leads.
                allow_redirects=False,
                stream=True,
            )
            with response:
                self._session.cookies.clear()
                return response.status_code, response.headers, _whole(response.raw, time.monotonic() + seconds)

    def _read(self, content: bytes) -> dict[str, Any]:
        try:
            answer = json.loads(content)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise NotAnEngine(
                f"{self._access.provider}: the engine sent an answer that is no JSON object. "
                "Check that url leads to an engine of version 4, and look at its log."
            )
        return answer

    def _sign(self) -> str:
        """The header that signs a request."""
        access = self._access
        if access.sign_in == "basic":
            pair = base64.b64encode(f"{access.username}:{access.password}".encode()).decode()
            return f"Basic {pair}"
        with self._lock:
            if self._token is None or time.time() > self._until:
                self._token, self._until = self._signed_in()
            return f"Bearer {self._token}"

    def _forget(self, sign: str) -> None:
        with self._lock:
            if sign == f"Bearer {self._token}":
                self._token = None

    def _signed_in(self) -> tuple[str, float]:
        """A new token, and the moment from which on it is to be renewed (seconds since the epoch)."""
        access = self._access
        form = {
            "grant_type": "password",
            "scope": SCOPE,
            "username": access.username,
            "password": access.password,
        }
        status, headers, content = self._send("POST", "/sso/oauth/token", None, form=form)
        if status >= 500 or status == 429 or 300 <= status < 400 or status == 404:
            raise refused(access.provider, "POST", "/sso/oauth/token", status, headers, content)
        answer = self._read(content)
        if status >= 400 or "error" in answer or "error_code" in answer:
            raise sso_refusal(access.provider, answer, access.password)
        token = answer.get("access_token")
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise SignedOut(f"{access.provider}: the engine's sign-in gave no token. Look at the engine's log.")
        return token, _end(answer.get("exp")) - RENEW_SECONDS

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        """Our own errors for whatever the libraries raise; none names the password or the token."""
        try:
            yield
        except ProviderDown:
            raise
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, UnicodeError) as error:
            raise broken(self._access.provider, error, self._access.seconds) from None


def _whole(raw: Any, deadline: float) -> bytes:
    """The body of an answer within its bounds, which count all of it: a server that drips is given up."""
    parts: list[bytes] = []
    size = 0
    while part := raw.read1(_CHUNK, decode_content=True):
        size += len(part)
        if size > ANSWER_BYTES:
            raise requests.exceptions.ContentDecodingError(f"the answer has more than {ANSWER_BYTES} bytes")
        if time.monotonic() > deadline:
            raise requests.exceptions.ReadTimeout
        parts.append(part)
    return b"".join(parts)


def _end(exp: object) -> float:
    """When a token ends: the engine says it in milliseconds since the epoch, as text, or says never."""
    try:
        return int(str(exp)) / 1000
    except (ValueError, OverflowError):
        return time.time() + 600
