"""What a service may answer instead of events, how it is signed in to, and what never leaves the options."""

from __future__ import annotations

import gzip
import json
import os
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from keystoneauth1 import session as keystone
from keystoneauth1 import token_endpoint
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from tasks.model.errors import CatchmentError, ProviderDown, SignedOut, Transient
from tasks.providers.contracts import ProviderConfig
from tasks.providers.http.monitor import HttpMonitor
from tests.certificates import Authority
from tests.raw_server import raw_server
from tests.unit.http.http_service import PATH, HttpService, Reader

TOKEN = "kept-secret-4711"


@pytest.fixture
def service(httpserver: HTTPServer) -> HttpService:
    return HttpService().serve(httpserver)


def failure(config: ProviderConfig) -> CatchmentError:
    """What a poll raises; ``available`` says the same."""
    with pytest.raises(CatchmentError) as raised:
        Reader(config).poll()
    available = HttpMonitor.available(config)
    assert not available.ok
    assert available.reason == str(raised.value)
    return raised.value


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        ({"status": 401}, SignedOut, "refuses the sign-in"),
        ({"status": 403}, SignedOut, "does not let this user read"),
        ({"status": 404}, Transient, "refuses the question (404)"),
        ({"status": 302, "headers": {"Location": "/login"}}, ProviderDown, "leads elsewhere (302)"),
        ({"status": 429, "headers": {"Retry-After": "17"}}, Transient, "asks for a pause"),
        ({"status": 500}, ProviderDown, "a fault (500)"),
        ({"status": 503, "headers": {"Retry-After": "17"}}, ProviderDown, "a fault (503)"),
        ({"response": "<html>Sign in</html>"}, ProviderDown, "no JSON"),
        ({"response": '{"events": [{"id": 1}'}, ProviderDown, "no JSON"),
        ({"response": '{"events": [{"id": NaN}]}'}, ProviderDown, "no JSON"),
        ({"response": b"\xff\xfe\x00"}, ProviderDown, "no JSON"),
        ({"response": "[" * 100_000}, ProviderDown, "no JSON"),
        ({"response": '{"rows": []}'}, ProviderDown, "no list of events at 'events'"),
        ({"response": '{"events": 5}'}, ProviderDown, "no list of events at 'events'"),
        ({"response": "null"}, ProviderDown, "no list of events at 'events'"),
    ],
)
def test_an_answer_without_events_is_a_failure_with_its_reason(
    answer: dict[str, Any], error: type[CatchmentError], words: str, service: HttpService
) -> None:
    service.faults = [lambda request, right: Response(**answer)] * 2
    raised = failure(service.provider())
    assert isinstance(raised, error)
    assert words in str(raised)
    assert "north" in str(raised)
    if "Retry-After" in answer.get("headers", {}):
        assert isinstance(raised, Transient)
        assert raised.after == 17.0


def test_an_empty_list_may_be_null(service: HttpService) -> None:
    service.faults = [lambda request, right: Response('{"events": null}')]
    assert Reader(service.provider()).poll() == []


def head(length: int, *more: str) -> bytes:
    return "\r\n".join(["HTTP/1.1 200 OK", f"Content-Length: {length}", *more, "", ""]).encode()


def test_an_answer_that_ends_in_its_middle_is_a_failure(service: HttpService) -> None:
    with raw_server(head(500) + b'{"events": [') as url:
        assert "broke its answer off" in str(failure(service.provider(url=url)))


def test_too_large_an_answer_is_given_up_packed_or_not(service: HttpService) -> None:
    bomb, plain = gzip.compress(b"0" * 10_000_000), os.urandom(200_000)
    for answer in (head(len(bomb), "Content-Encoding: gzip") + bomb, head(len(plain)) + plain):
        with raw_server(answer) as url:
            assert "more than 100000 bytes" in str(failure(service.provider(url=url, answer_bytes=100_000)))


def test_an_answer_that_drips_is_given_up(service: HttpService) -> None:
    with raw_server(head(1000) + b" " * 1000, drip=0.05) as url:
        assert "did not answer whole within 0.3 s" in str(failure(service.provider(url=url, timeout_seconds=0.3)))


def test_an_answer_that_does_not_come_is_given_up(service: HttpService) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        config = service.provider(url=f"http://127.0.0.1:{silent.getsockname()[1]}/", timeout_seconds=0.3)
        assert "did not answer whole within 0.3 s" in str(failure(config))


@pytest.mark.parametrize("link", ["http://127.0.0.2/v1/events", "//evil.example/x", "https://127.0.0.1/x", "http://[x"])
def test_a_link_to_another_host_is_not_followed(service: HttpService, link: str) -> None:
    service.add(1, 0)
    body = {"events": service.rows, "links": {"next": link}}
    service.faults = [lambda request, right: Response(json.dumps(body))] * 2
    config = service.provider(paging={"by": "next", "next": "links.next"})
    with pytest.raises(ProviderDown, match="another host"):
        Reader(config).poll()
    assert len(service.requests) == 1


SIGN_INS: list[tuple[dict[str, Any], str, str]] = [
    ({"by": "basic", "user": "erin", "password": "p:w\u00e9"}, "Authorization", "Basic ZXJpbjpwOnfDqQ=="),
    ({"by": "bearer", "token": TOKEN}, "Authorization", f"Bearer {TOKEN}"),
    ({"by": "header", "header": "X-Api-Key", "value": TOKEN}, "X-Api-Key", TOKEN),
]


@pytest.mark.parametrize(("auth", "header", "value"), SIGN_INS)
def test_it_signs_in_as_it_is_told(service: HttpService, auth: dict[str, Any], header: str, value: str) -> None:
    Reader(service.provider(auth=auth)).poll()
    assert service.requests[-1].headers[header] == value


def test_without_a_sign_in_nothing_is_sent_whatever_the_machine_knows(
    service: HttpService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine localhost login erin password {TOKEN}\nmachine 127.0.0.1 login e password {TOKEN}\n")
    monkeypatch.setenv("NETRC", str(netrc))
    Reader(service.provider()).poll()
    assert "Authorization" not in service.requests[-1].headers


def test_it_signs_in_with_the_token_of_the_cloud(service: HttpService) -> None:
    made = keystone.Session(auth=token_endpoint.Token("http://unused.example", TOKEN))
    config = service.provider(auth={"by": "keystone"}, cloud="lab")
    config = ProviderConfig(config.name, config.kind, config.options, lambda: made)
    service.add(1, 0)
    assert Reader(config).poll() == [1]
    assert service.requests[-1].headers["X-Auth-Token"] == TOKEN
    service.faults = [lambda request, right: Response(status=302, headers={"Location": "http://127.0.0.2/"})] * 2
    assert "leads elsewhere" in str(failure(config))


def test_secrets_stand_in_no_message_no_cursor_and_no_description(service: HttpService) -> None:
    for n in range(45):
        service.add(n, n)
    config = service.provider(
        auth={"by": "bearer", "token": TOKEN},
        parameters={"api_key": TOKEN, "verbose": True},
        paging={"by": "next", "next": "links.next", "size_parameter": "limit", "size": 20},
    )
    assert TOKEN not in repr(config)
    reader = Reader(config)

    def echo(request: Request, right: Response) -> Response:
        """A service that repeats the whole query in its links."""
        body = json.loads(right.get_data())
        if body["links"]:
            body["links"]["next"] += f"&api_key={TOKEN}"
        return Response(json.dumps(body))

    service.faults = [echo] * 10
    reader.poll(batches=1)
    assert reader.cursor is not None
    assert reader.cursor["place"]
    assert TOKEN not in json.dumps(reader.cursor)
    reader.poll()
    assert reader.names == list(range(45))
    assert {query["api_key"] for query in service.queries} == {TOKEN}
    assert {query["verbose"] for query in service.queries} == {"true"}
    service.faults = [lambda request, right: Response("no", 500)] * 2
    assert TOKEN not in str(failure(config))


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[tuple[HttpService, Authority]]:
    authority = Authority(tmp_path)
    context = authority.server("localhost", asks_for_certificate=True)
    with HTTPServer(host="localhost", ssl_context=context) as server:
        yield HttpService().serve(server), authority


def test_certificates_are_checked_against_the_authority_that_is_named(
    secured: tuple[HttpService, Authority], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, authority = secured
    cert, key = authority.sign("catchment")
    service.add(1, 0)
    tls = {"ca_file": str(authority.ca), "cert_file": str(cert), "key_file": str(key)}
    stranger = Authority(tmp_path, "stranger")
    # The environment does not go before what the options say.
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(stranger.ca))
    assert Reader(service.provider(tls=tls)).poll() == [1]
    with pytest.raises(ProviderDown, match=r"not trusted\. Name its authority as tls\.ca_file"):
        Reader(service.provider(tls={**tls, "ca_file": str(stranger.ca)})).poll()
    with pytest.raises(ProviderDown, match="not trusted"):
        Reader(service.provider(tls={"cert_file": str(cert), "key_file": str(key)})).poll()
    assert ssl.OPENSSL_VERSION


def test_available_tells_where_the_first_event_does_not_fit_the_mapping(service: HttpService) -> None:
    service.rows.append({"id": 1, "created_at": "2124-01-01T00:00:00Z", "type": {"a": 1}, "data": {}})
    answer = HttpMonitor.available(service.provider())
    assert answer.ok
    assert "mapping.event_type (type) finds no text but an object of 1" in answer.reason


def test_what_a_file_of_certificates_lacks_is_told(service: HttpService) -> None:
    config = service.provider(url=f"https://127.0.0.1:1{PATH}", tls={"ca_file": "/nowhere/ca.pem"})
    assert "north" in str(failure(config))
