"""Requests to an engine: how they are signed, and answers that never end."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from tasks.model.errors import ProviderDown, SignedOut
from tasks.providers.contracts import ProviderConfig
from tasks.providers.ovirt import engine as engine_module
from tasks.providers.ovirt.engine import Engine, engine_of
from tasks.providers.ovirt.options import OvirtOptions

API = "/ovirt-engine/api/events"
TOKEN = "/ovirt-engine/sso/oauth/token"


def engine(server: HTTPServer, **more: object) -> Engine:
    engine_module._engine.cache_clear()
    options = OvirtOptions(url=server.url_for("/"), password="sesame", insecure=True, **more)  # type: ignore[arg-type]
    return engine_of(ProviderConfig("virt", "ovirt", options))


def test_basic_signs_each_request_and_fetches_no_token(httpserver: HTTPServer) -> None:
    httpserver.expect_ordered_request(
        API,
        headers={"Authorization": "Basic YWRtaW5AaW50ZXJuYWw6c2VzYW1l", "Version": "4", "Accept": "application/json"},
    ).respond_with_json({"event": []})
    assert engine(httpserver, sign_in="basic").get("/events", {"max": 1}) == {"event": []}
    httpserver.check()


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (200, {"error": "access_denied", "error_description": "no, not with sesame"}),
        (200, {"error_code": "access_denied"}),
        (401, {"error": "access_denied"}),
        (200, {"token_type": "bearer"}),
    ],
)
def test_sign_in_that_gives_no_token_is_told_whatever_its_status(
    httpserver: HTTPServer, status: int, answer: dict[str, str]
) -> None:
    httpserver.expect_request(TOKEN, method="POST").respond_with_json(answer, status=status)
    with pytest.raises(SignedOut) as caught:
        engine(httpserver).get("/events")
    assert "sesame" not in str(caught.value)


def test_answer_that_drips_is_given_up_in_time(httpserver: HTTPServer) -> None:
    done = threading.Event()

    def drip(request: Request) -> Response:
        def parts() -> Iterator[bytes]:
            yield b'{"event": ['
            while not done.wait(0.05):
                yield b" "

        return Response(parts(), content_type="application/json")

    httpserver.expect_request(API).respond_with_handler(drip)
    try:
        with pytest.raises(ProviderDown, match=r"did not answer in full within 0\.5 s"):
            engine(httpserver, sign_in="basic", timeout_seconds=0.5).get("/events")
    finally:
        done.set()


def test_answer_that_is_too_long_is_not_read_to_its_end(
    httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "ANSWER_BYTES", 1000)
    httpserver.expect_request(API).respond_with_data(b"[" + b" " * 5000 + b"]")
    with pytest.raises(ProviderDown, match="virt"):
        engine(httpserver, sign_in="basic").get("/events")


def test_redirect_carries_the_token_nowhere(httpserver: HTTPServer) -> None:
    httpserver.expect_request(API).respond_with_data(status=302, headers={"Location": httpserver.url_for("/elsewhere")})
    with pytest.raises(ProviderDown, match="redirect"):
        engine(httpserver, sign_in="basic").get("/events")
    assert [request.path for request, _ in httpserver.log] == [API]
