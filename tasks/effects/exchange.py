"""One HTTP exchange with a host that is not trusted: bounded in time and size, never led elsewhere."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from requests.structures import CaseInsensitiveDict

from tasks.effects.deadline import CutAdapter, Deadline
from tasks.model.errors import Permanent, Transient

MAX_ANSWER_BYTES = 64 * 1024
MAX_REDIRECTS = 3
#: Redirects that keep the method and the body; the others would turn a POST into a GET.
_KEEPS_METHOD = frozenset({307, 308})


@dataclass(frozen=True, slots=True)
class Request:
    """What to send. ``host`` is all of the address that may be shown: the rest may hold a secret."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    timeout: float
    ca_file: str | None
    host: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, the body cut to :data:`MAX_ANSWER_BYTES`."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float


def send(request: Request) -> Answer:
    """Send a request and read the answer.

    The certificate is verified. A redirect is followed only to the same host and only where it keeps
    the body. Raises ``Transient`` where no answer came, ``Permanent`` where none can be asked for.
    """
    started = time.monotonic()
    with Deadline(request.timeout) as deadline, requests.Session() as session, _named(request, deadline):
        session.mount("http://", CutAdapter(deadline))
        session.mount("https://", CutAdapter(deadline))
        for _ in range(MAX_REDIRECTS + 1):
            answer = _once(session, request, started)
            onward = _onward(request, answer)
            if onward is None:
                # What was cut at the deadline can look like an answer that ended early.
                if deadline.passed:
                    break
                return answer
            request = onward
        else:
            raise Permanent(f"{request.host} redirects more than {MAX_REDIRECTS} times: set url to the final address")
    raise Transient(f"{request.host} did not answer in full within {request.timeout:g} s")


def certificates(ca_file: str, root: str) -> str:
    """The path of a certificate file of the site. Raises ``Permanent`` where it is not there."""
    path = Path(root) / ca_file
    if not path.is_file():
        raise Permanent(f"the certificate file {ca_file} does not exist: paths start at the site folder")
    return str(path)


def _once(session: requests.Session, request: Request, started: float) -> Answer:
    left = max(request.timeout - (time.monotonic() - started), 0.05)
    response = session.request(
        request.method,
        request.url,
        data=request.body,
        headers={
            "accept-encoding": "identity",
            **{k: v.encode("utf-8", "replace") for k, v in request.headers.items()},
        },
        timeout=(min(left, 10.0), left),
        allow_redirects=False,
        stream=True,
        verify=True if request.ca_file is None else request.ca_file,
        # Without this a .netrc of the worker's user would sign the request.
        auth=_unsigned,
    )
    with response:
        body = _bounded(response.raw)
        return Answer(response.status_code, CaseInsensitiveDict(response.headers), body, time.monotonic() - started)


def _unsigned(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _bounded(raw: urllib3.HTTPResponse) -> bytes:
    body = b""
    while len(body) < MAX_ANSWER_BYTES:
        chunk = raw.read1(MAX_ANSWER_BYTES - len(body), decode_content=False)
        if not chunk:
            break
        body += chunk
    return body


def _onward(request: Request, answer: Answer) -> Request | None:
    if answer.status not in _KEEPS_METHOD or "location" not in answer.headers:
        return None
    url = urljoin(request.url, answer.headers["location"])
    old, new = urlsplit(request.url), urlsplit(url)
    same = (old.hostname, old.port) == (new.hostname, new.port)
    if same and old.scheme == new.scheme:
        return replace(request, url=url)
    return None


@contextlib.contextmanager
def _named(request: Request, deadline: Deadline) -> Iterator[None]:
    """Give what the library raises our own names, without the address: it may hold a secret."""
    try:
        yield
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidHeader, UnicodeError):
        raise Permanent(f"the request for {request.host} cannot be made: look at url and headers") from None
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as mistake:
        if deadline.passed or isinstance(mistake, requests.Timeout | urllib3.exceptions.TimeoutError):
            raise Transient(f"{request.host} did not answer in full within {request.timeout:g} s") from None
        raise Transient(f"no answer from {request.host}: {_reason(mistake)}") from None


def _reason(mistake: BaseException) -> str:
    """The innermost reason, which names no path and no query."""
    inner = mistake
    for _ in range(6):
        inside = getattr(inner, "reason", None)
        if not isinstance(inside, BaseException):
            inside = next((part for part in inner.args if isinstance(part, BaseException)), None)
        if inside is None:
            break
        inner = inside
    text = getattr(inner, "strerror", None) or type(inner).__name__
    return f"{type(mistake).__name__}, {text}"
