"""What an engine's refusals and breakdowns mean for the work: one place for all of oVirt."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import requests
import urllib3

from tasks.model.errors import CatchmentError, ProviderDown, SignedOut, Transient
from tasks.providers.openstack.failures import retry_after
from tasks.providers.openstack.secrets import mask

#: How much of what an engine says goes into an error, in characters.
_QUOTE = 200


class EngineRefusal(Transient):
    """The engine does not do what was asked for. ``status`` is the HTTP status.

    ``said`` are the engine's own words (empty where the answer is no fault of the engine), ``silent`` says that
    the answer had no body at all.
    """

    def __init__(
        self, message: str, status: int, after: float | None = None, *, said: str = "", silent: bool = False
    ) -> None:
        super().__init__(message, after)
        self.status = status
        self.said = said
        self.silent = silent


class NotAllowed(SignedOut):
    """The engine knows the user and refuses what was asked (403)."""


class NotAnEngine(ProviderDown):
    """Something answers that is no engine."""


def refused(
    provider: str, method: str, path: str, status: int, headers: Mapping[str, str], content: bytes
) -> CatchmentError:
    """The error for an answer with a status of 300 and above."""
    after = retry_after(SimpleNamespace(headers=headers))
    said = fault_of(content)
    if status == 401:
        return SignedOut(
            f"{provider}: the engine refuses the credentials. Check username (user@profile) and password.", after
        )
    if status == 403:
        return NotAllowed(
            f"{provider}: the engine does not let the user {method} {path}{said}. Give it a role that may.", after
        )
    if status < 400:
        return NotAnEngine(
            f"{provider}: the engine answers with a redirect ({status}). Set url to the address that it leads to."
        )
    if status == 429:
        return Transient(f"{provider}: the engine asks for a pause (429). Raise its limits if this goes on.", after)
    if status >= 500:
        return ProviderDown(
            f"{provider}: the engine answers with a fault of its own ({status}){said}. See engine.log.", after
        )
    return EngineRefusal(
        f"{provider}: the engine refuses {method} {path} ({status}){said}. See engine.log.",
        status,
        after,
        said=said.removeprefix(" [").removesuffix("]"),
        silent=not content.strip(),
    )


def sso_refusal(provider: str, answer: Mapping[str, Any], password: str) -> SignedOut:
    """The error for a sign-in that was refused, with the engine's words but never the password."""
    words = next((answer[key] for key in ("error_description", "error", "error_code") if answer.get(key)), "")
    said = mask(str(words).replace(password, "***"))[:_QUOTE] if password else mask(str(words))[:_QUOTE]
    return SignedOut(
        f"{provider}: the engine refuses the credentials ({said}). Check username (user@profile) and password."
    )


def broken(provider: str, error: BaseException, seconds: float) -> ProviderDown:
    """The error for a request that got no whole answer."""
    if isinstance(error, requests.exceptions.SSLError):
        return ProviderDown(f"{provider}: the engine's certificate is not trusted. Name its authority as ca_file.")
    if isinstance(error, requests.exceptions.Timeout | urllib3.exceptions.TimeoutError | TimeoutError):
        return ProviderDown(
            f"{provider}: the engine did not answer in full within {seconds:g} s. Check it, or raise timeout_seconds."
        )
    if isinstance(error, OSError) and not isinstance(error, requests.RequestException):
        return ProviderDown(f"{provider}: ca_file cannot be read, or the network fails ({type(error).__name__}).")
    return ProviderDown(f"{provider}: the engine cannot be reached ({type(error).__name__}). Check that it runs.")


def fault_of(content: bytes) -> str:
    """What the engine says of a refusal, in brackets; nothing where it says nothing that can be read."""
    try:
        answer = json.loads(content[:65_536])
    except (ValueError, RecursionError):
        return ""
    fault = answer.get("fault", answer) if isinstance(answer, dict) else None
    if not isinstance(fault, dict):
        return ""
    words = [str(fault[key]) for key in ("reason", "detail") if isinstance(fault.get(key), str)]
    said = mask(" ".join(": ".join(words).split()))[:_QUOTE]
    return f" [{said}]" if said else ""
