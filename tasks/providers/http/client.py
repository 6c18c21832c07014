"""Requests to one HTTP service: signed in, bounded in time and size, and every failure said in words."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from http.cookiejar import DefaultCookiePolicy
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

import requests
from pydantic import SecretStr
from requests.auth import AuthBase

from tasks.model.errors import BadPayload, ProviderDown, SignedOut, Transient
from tasks.providers.contracts import ProviderConfig
from tasks.providers.http.options import Auth, HttpOptions
from tasks.providers.openstack import wire
from tasks.providers.openstack.failures import map_errors, retry_after
from tasks.providers.openstack.session import BoundedAdapter

#: What the service may call a page that it no longer knows.
_FORGOTTEN = frozenset({400, 404, 410, 422})
_PORTS = {"http": 80, "https": 443}


class Forgotten(Transient):
    """The service refuses the question itself: it may not know the page any more that it was asked for."""


class Answer(NamedTuple):
    """What the service said, and where its Link header leads (None: nowhere)."""

    value: Any
    link: str | None


class _SignIn(AuthBase):
    """Puts the sign-in of the options into a request, and with it keeps requests from looking for one elsewhere."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        auth = self._auth
        if auth.by == "basic":
            pair = f"{auth.user}:{_reveal(auth.password)}".encode()
            request.headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        elif auth.by == "bearer":
            request.headers["Authorization"] = f"Bearer {_reveal(auth.token)}"
        elif auth.by == "header" and auth.header is not None:
            request.headers[auth.header] = _reveal(auth.value)
        return request


class Client:
    """Asks one provider's service. For one thread at a time."""

    def __init__(self, provider: ProviderConfig, seconds: float | None = None) -> None:
        """``seconds`` is the time of one answer where it is not that of the options."""
        self._name = provider.name
        self._seconds = seconds or provider.options.timeout_seconds
        self._provider = provider
        self._options: HttpOptions = provider.options
        self._session: requests.Session | None = None
        parts = urlsplit(self._options.url)
        #: How the service is named in messages: without its query, which may hold a secret.
        self.place = f"{parts.scheme}://{parts.netloc}{parts.path}"

    def ask(self, parameters: Sequence[tuple[str, str]], link: str | None = None) -> Answer:
        """One answer to the query with these parameters, or to a link that the service gave.

        Raises ``SignedOut``, ``Transient``, ``ProviderDown`` or :class:`Forgotten`.
        """
        url = self._options.url if link is None else self._followed(link)
        fixed = [(name, _plain(value)) for name, value in self._options.parameters.items()]
        there = {name for name, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True)} if link else set()
        query = [(name, value) for name, value in [*fixed, *parameters] if name not in there]
        response = self._send(url, query)
        self._refuse(response)
        try:
            value, _ = wire.read(response.content)
        except BadPayload as error:
            raise self._down(f"answers with something that is no JSON: {error}. Check url in providers.yaml") from None
        return Answer(value, response.links.get("next", {}).get("url"))

    def kept(self, link: str) -> str:
        """A link as it may be stored: absolute, and without the parameters of the options, which may be secret.

        Raises ``ProviderDown`` for one that leads to another host.
        """
        parts = urlsplit(self._followed(link))
        query = [
            pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] not in self._options.parameters
        ]
        return urlunsplit(parts._replace(query=urlencode(query), fragment=""))

    def close(self) -> None:
        """Give connections back. It may be used again."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _followed(self, link: str) -> str:
        try:
            url = urljoin(self._options.url, link)
            leaves = _origin(url) != _origin(self._options.url)
        except ValueError:
            url, leaves = "", True
        if leaves:
            raise self._down("gives a link to the next page that leads to another host. It is not followed")
        return url

    def _send(self, url: str, query: Sequence[tuple[str, str]]) -> requests.Response:
        headers = {"Accept": "application/json", "User-Agent": "catchment", **self._options.headers}
        seconds = self._seconds
        try:
            if self._options.auth.by == "keystone":
                return self._send_with_token(url, query, headers)
            # The certificates stand here and not in the session, where the environment would go before them.
            return self._own().get(
                url, params=list(query), headers=headers, timeout=(min(5.0, seconds), seconds), allow_redirects=False,
                verify=self._options.tls.checking(), cert=self._options.tls.own(),
            )  # fmt: skip
        except requests.exceptions.SSLError as error:
            raise self._down("has a certificate that is not trusted. Name its authority as tls.ca_file") from error
        except requests.exceptions.Timeout as error:
            raise self._down(
                f"did not answer whole within {seconds:g} s. Check it, or raise timeout_seconds"
            ) from error
        except requests.exceptions.ContentDecodingError as error:
            limit = self._options.answer_bytes
            raise self._down(
                f"sends more than {limit} bytes, or what cannot be unpacked. Ask for smaller pages"
            ) from error
        except requests.exceptions.ChunkedEncodingError as error:
            raise self._down("broke its answer off. It is asked again") from error
        except (requests.exceptions.RequestException, OSError, ValueError) as error:
            raise self._down(f"cannot be reached ({type(error).__name__}). Check that it runs") from error

    def _send_with_token(
        self, url: str, query: Sequence[tuple[str, str]], headers: Mapping[str, str]
    ) -> requests.Response:
        if self._provider.session is None:
            raise ProviderDown(f"{self._name}: the provider names no cloud of clouds.yaml")
        with map_errors(self._name, f"the service at {self.place}"):
            found: requests.Response = self._provider.session().get(
                url, params=list(query), headers=dict(headers), timeout=self._seconds,
                authenticated=True, redirect=False, raise_exc=False, log=False,
            )  # fmt: skip
        return found

    def _own(self) -> requests.Session:
        if self._session is None:
            session = requests.Session()
            session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
            session.auth = _SignIn(self._options.auth)
            for scheme in _PORTS:
                session.mount(f"{scheme}://", BoundedAdapter(self._seconds, self._options.answer_bytes))
            self._session = session
        return self._session

    def _refuse(self, response: requests.Response) -> None:
        """Raise what a status says that is no success."""
        status, after = response.status_code, retry_after(response)
        if 200 <= status < 300:
            return
        if status == 401:
            raise SignedOut(
                f"{self._name}: {self.place} refuses the sign-in (401). Check auth in providers.yaml", after
            )
        if status == 403:
            raise SignedOut(
                f"{self._name}: {self.place} does not let this user read events (403). Give it the right", after
            )
        if status == 429:
            raise Transient(
                f"{self._name}: {self.place} asks for a pause (429). Raise its rate limit if this goes on", after
            )
        if 300 <= status < 400:
            raise self._down(f"leads elsewhere ({status}). Write the address that it leads to as url")
        if status in _FORGOTTEN:
            raise Forgotten(
                f"{self._name}: {self.place} refuses the question ({status}). Check url and parameters", after
            )
        raise ProviderDown(f"{self._name}: {self.place} answers with a fault ({status}). See the service's log", after)

    def _down(self, words: str) -> ProviderDown:
        return ProviderDown(f"{self._name}: {self.place} {words}")


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)


def _reveal(secret: SecretStr | None) -> str:
    return "" if secret is None else secret.get_secret_value()


def _plain(value: SecretStr | int | bool) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return str(value).lower() if isinstance(value, bool) else str(value)
