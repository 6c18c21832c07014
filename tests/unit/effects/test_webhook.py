"""Webhooks over real sockets: what is sent, what each answer means, and that no secret comes back."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from pathlib import Path

import pytest
from pydantic import ValidationError
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from tasks.effects.contracts import Done, EffectContext
from tasks.effects.webhook import Webhook, WebhookParams
from tasks.model.errors import Permanent, Transient
from tasks.site.settings import Settings
from tests.unit.effects.effects_ground import certificate

KEY = "12:policy/night:webhook:server/s1:0"


def context(root: Path, key: str = KEY, attempt: int = 1, event: dict[str, object] | None = None) -> EffectContext:
    facts = {"id": 12, "event_type": "vm_poweroff", **(event or {})}
    return EffectContext(key, attempt, facts, None, Settings.model_construct(), str(root))


def send(root: Path, url: str, *, key: str = KEY, event: dict[str, object] | None = None, **params: object) -> Done:
    return Webhook().run(WebhookParams(url=url, **params), context(root, key, event=event))


def test_the_event_is_sent_as_json_with_its_key(httpserver: HTTPServer, tmp_path: Path) -> None:
    httpserver.expect_oneshot_request("/hook", method="POST").respond_with_data("thanks")
    done = send(tmp_path, httpserver.url_for("/hook"))
    request = httpserver.log[0][0]
    assert json.loads(request.data) == {"id": 12, "event_type": "vm_poweroff"}
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["Idempotency-Key"] == KEY
    assert request.headers["X-Catchment-Attempt"] == "1"
    assert "X-Catchment-Signature" not in request.headers
    assert done.detail["status"] == 200
    assert done.detail["response"] == "thanks"


def test_two_tries_send_the_same_key_and_body(httpserver: HTTPServer, tmp_path: Path) -> None:
    httpserver.expect_request("/hook").respond_with_data("")
    params = WebhookParams(url=httpserver.url_for("/hook"))
    for attempt in (1, 2):
        Webhook().run(params, context(tmp_path, attempt=attempt))
    first, second = (request for request, _ in httpserver.log)
    assert first.data == second.data
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]


def test_the_signature_can_be_checked_by_the_receiver(
    httpserver: HTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK_KEY", "shared")
    httpserver.expect_oneshot_request("/hook").respond_with_data("")
    send(tmp_path, httpserver.url_for("/hook"), secret="${env:HOOK_KEY}", body='{"a": "ü"}')
    request = httpserver.log[0][0]
    stamp, _, mac = request.headers["X-Catchment-Signature"].partition(",")
    moment = stamp.removeprefix("t=")
    expected = hmac.new(b"shared", moment.encode() + b"." + request.data, hashlib.sha256).hexdigest()
    assert mac == f"v1={expected}"
    assert abs(int(moment) - time.time()) < 30


def test_secrets_come_from_files_and_are_hidden_when_the_receiver_repeats_them(
    httpserver: HTTPServer, tmp_path: Path
) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "token").write_text("abc/123+secret\n")

    def echo(request: Request) -> Response:
        return Response(f"you said {request.headers['Authorization']} and abc%2F123%2Bsecret")

    httpserver.expect_request("/hook").respond_with_handler(echo)
    headers = {"Authorization": "Bearer ${file:secrets/token}"}
    done = send(tmp_path, httpserver.url_for("/hook"), headers=headers)
    assert httpserver.log[0][0].headers["Authorization"] == "Bearer abc/123+secret"
    assert "123" not in json.dumps(done.detail)
    assert "you said" in done.detail["response"]


def test_a_name_in_the_event_that_looks_like_a_reference_is_data_and_stops_nothing(
    httpserver: HTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK_KEY", "shared")
    httpserver.expect_request("/hook").respond_with_data("")
    headers = {"X-Key": "${env:HOOK_KEY}"}
    for body in (None, "vm ${env:HOOK_KEY}"):
        send(
            tmp_path,
            httpserver.url_for("/hook"),
            headers=headers,
            body=body,
            event={"name": "${env:HOOK_KEY}"},
        )
    for request, _ in httpserver.log:
        assert request.headers["X-Key"] == "shared"
        assert b"${env:HOOK_KEY}" in request.data
        assert b"shared" not in request.data


def test_a_missing_secret_is_final_and_named(httpserver: HTTPServer, tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="NO_SUCH_SECRET is not set"):
        send(tmp_path, httpserver.url_for("/"), headers={"A": "${env:NO_SUCH_SECRET}"})
    with pytest.raises(Permanent, match="secrets/none does not exist"):
        send(tmp_path, httpserver.url_for("/"), headers={"A": "${file:secrets/none}"})


def test_a_setting_of_catchment_cannot_be_sent_out(
    httpserver: HTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CATCHMENT_DATABASE", "postgresql://u:pw@h/d")
    with pytest.raises(Permanent, match="setting of Catchment"):
        send(tmp_path, httpserver.url_for("/"), headers={"A": "${env:CATCHMENT_DATABASE}"})


def test_a_line_end_in_a_header_is_refused(httpserver: HTTPServer, tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="header x-name would hold a line end"):
        send(tmp_path, httpserver.url_for("/"), headers={"X-Name": "vm\r\nX-Admin: yes"})
    assert not httpserver.log


def test_any_key_fits_into_a_header(httpserver: HTTPServer, tmp_path: Path) -> None:
    httpserver.expect_oneshot_request("/hook").respond_with_data("")
    send(tmp_path, httpserver.url_for("/hook"), key="1:policy/Nächte\r\n:webhook::0")
    assert httpserver.log[0][0].headers["Idempotency-Key"] == "1:policy/N%C3%A4chte%0D%0A:webhook::0"


def test_a_netrc_of_the_user_signs_nothing(
    httpserver: HTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine {httpserver.host} login me password mine\n")
    monkeypatch.setenv("NETRC", str(netrc))
    httpserver.expect_oneshot_request("/hook").respond_with_data("")
    send(tmp_path, httpserver.url_for("/hook"))
    assert "Authorization" not in httpserver.log[0][0].headers


def test_a_certificate_must_be_trusted(tmp_path: Path) -> None:
    tls = certificate(tmp_path, "localhost")
    with HTTPServer(host="localhost", ssl_context=tls) as server:
        server.expect_request("/hook").respond_with_data("secure")
        url = server.url_for("/hook")
        with pytest.raises(Transient, match="SSL"):
            send(tmp_path, url)
        assert send(tmp_path, url, ca_file="ca.pem").detail["response"] == "secure"
        with pytest.raises(Permanent, match=r"none\.pem does not exist"):
            send(tmp_path, url, ca_file="none.pem")


@pytest.mark.parametrize(
    ("params", "word"),
    [
        ({"url": "ftp://host/"}, "http://"),
        ({"url": "http://h/", "timeout_seconds": 61}, "timeout_seconds"),
        ({"url": "http://h/", "headers": {"Host": "x"}}, "set by Catchment"),
        ({"url": "http://h/", "headers": {"a b": "x"}}, "name of a header"),
        ({"url": "http://h/", "secret": "plain"}, "does not belong in this file"),
        ({"url": "http://h/", "metod": "PUT"}, "metod"),
    ],
)
def test_wrong_parameters_are_refused(params: dict[str, object], word: str) -> None:
    with pytest.raises(ValidationError, match=word):
        WebhookParams.model_validate(params)


@pytest.mark.parametrize("url", ["http://", "http:///path", "${env:HOOK_URL}"])
def test_an_address_that_is_none_is_final(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("HOOK_URL", "not an address")
    with pytest.raises(Permanent, match="no http"):
        send(tmp_path, url)
