"""Where a watch gets its events from: the local ledger, an address with a token, or a cloud's catalogue."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import requests

from tasks.ledger import esi
from tasks.ledger.session import Ledger
from tasks.model.errors import Permanent, ProviderDown, SignedOut
from tasks.providers.contracts import ProviderConfig
from tasks.providers.esi_leap.service import LeapService
from workers.watch.keeper import TOKEN

#: Bytes of one answer that are read, and seconds without one.
ANSWER_BYTES, SILENCE_SECONDS = 64 * 1024 * 1024, 60.0
_CHUNK = 65_536


class Source(Protocol):
    """Gives the events behind an id."""

    def behind(self, number: int) -> Sequence[dict[str, Any]]:
        """Events with higher ids, in the order of their ids; some of them where there are many.

        Raises ``ProviderDown`` or ``SignedOut`` where asking again may help, ``Permanent`` where it will not.
        """


class LedgerSource:
    """The ledger of this installation; ``project`` narrows it to one lessee's and owner's."""

    def __init__(self, ledger: Ledger, project: str | None) -> None:
        self._ledger, self._project = ledger, project

    def behind(self, number: int) -> Sequence[dict[str, Any]]:
        """Events with higher ids."""
        esi.number(self._ledger)
        with self._ledger.reading() as session:
            found = esi.records(session, esi.Asked(last_id=number, project=self._project))
            return [esi.as_api(record) for record in found]


class UrlSource:
    """Catchment's or ESI Leap's own API at an address. The token is read anew where it is refused."""

    def __init__(self, url: str, token_file: Path | None) -> None:
        self._url = f"{url.rstrip('/').removesuffix('/v1')}/v1/events"
        self._token_file = token_file

    def behind(self, number: int) -> Sequence[dict[str, Any]]:
        """Events with higher ids."""
        headers = {"X-Auth-Token": self._token(), "Accept": "application/json"}
        try:
            with requests.get(
                self._url,
                params={"last_event_id": number},
                headers=headers,
                timeout=SILENCE_SECONDS,
                stream=True,
                allow_redirects=False,
            ) as answer:
                return _read(self._url, answer.status_code, _bounded(answer), number)
        except requests.RequestException as mistake:
            raise ProviderDown(f"{self._url} cannot be asked: {type(mistake).__name__}. Look at the address") from None

    def _token(self) -> str:
        if self._token_file is None:
            token = os.environ.get(TOKEN, "")
            if not token:
                raise Permanent(f"with --url a token is needed: in {TOKEN}, or in a file named by --token-file")
        else:
            try:
                token = self._token_file.read_text(encoding="utf-8")[:10_000]
            except (OSError, UnicodeDecodeError) as mistake:
                raise Permanent(f"the token file {self._token_file} cannot be read: {mistake}") from None
        return token.strip()


class CloudSource:
    """The service that a cloud's catalogue names; signing in anew is keystoneauth's work."""

    def __init__(self, cloud: str, clouds_file: Path) -> None:
        from tasks.providers.openstack.session import cloud_session

        session = cloud_session(cloud, clouds_file)
        self._service = LeapService(ProviderConfig(cloud, "esi_leap", None, lambda: session))

    def behind(self, number: int) -> Sequence[dict[str, Any]]:
        """Events with higher ids."""
        return _ordered(self._service.listed("/events", "events", [("last_event_id", str(number))]), number)


def _bounded(answer: requests.Response) -> bytes:
    body = bytearray()
    for chunk in answer.iter_content(_CHUNK):
        body += chunk
        if len(body) > ANSWER_BYTES:
            raise ProviderDown(f"{answer.url} answers with more than {ANSWER_BYTES} bytes")
    return bytes(body)


def _read(url: str, status: int, body: bytes, number: int) -> list[dict[str, Any]]:
    if status in (401, 403):
        raise SignedOut(f"{url} refuses the token ({status})")
    if status == 429 or status >= 500:
        raise ProviderDown(f"{url} answers with {status}")
    try:
        events = json.loads(body)["events"] if status == 200 else None
    except (ValueError, LookupError, TypeError, RecursionError):
        events = None
    if not isinstance(events, list):
        raise Permanent(f"{url} is no event history: it answers with {status}. Look at the address")
    return _ordered(events, number)


def _ordered(events: Sequence[Any], number: int) -> list[dict[str, Any]]:
    """Those that are behind the id, each once, in the order of ids: the service itself has none (spec esi 3)."""
    known = {e["id"]: e for e in events if isinstance(e, dict) and type(e.get("id")) is int and e["id"] > number}
    return [known[key] for key in sorted(known)]
