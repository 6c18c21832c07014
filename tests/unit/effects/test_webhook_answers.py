"""What each answer to a webhook means, and answers that do their worst."""

from __future__ import annotations

import gzip
import socket
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from tasks.effects.contracts import Done, EffectContext
from tasks.effects.webhook import Webhook, WebhookParams
from tasks.model.errors import Permanent, Transient
from tasks.site.settings import Settings
from tests.unit.effects.effects_ground import raw_server

KEY = "12:policy/night:webhook:server/s1:0"


def context(root: Path, key: str = KEY, attempt: int = 1, event: dict[str, object] | None = None) -> EffectContext:
    facts = {"id": 12, "event_type": "vm_poweroff", **(event or {})}
    return EffectContext(key, attempt, facts, None, Settings.model_construct(), str(root))


def send(root: Path, url: str, *, key: str = KEY, event: dict[str, object] | None = None, **params: object) -> Done:
    return Webhook().run(WebhookParams(url=url, **params), context(root, key, event=event))


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_answers_that_may_pass_are_tried_again(httpserver: HTTPServer, tmp_path: Path, status: int) -> None:
    httpserver.expect_request("/hook").respond_with_data("busy", status=status)
    with pytest.raises(Transient, match=f"answered {status}: busy") as caught:
        send(tmp_path, httpserver.url_for("/hook"))
    assert caught.value.after is None


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 422])
def test_other_refusals_are_final(httpserver: HTTPServer, tmp_path: Path, status: int) -> None:
    httpserver.expect_request("/hook").respond_with_data("no", status=status)
    with pytest.raises(Permanent, match=f"answered {status}"):
        send(tmp_path, httpserver.url_for("/hook"))


def pause_for(httpserver: HTTPServer, root: Path, text: str) -> float | None:
    httpserver.expect_oneshot_request("/hook").respond_with_data("", status=503, headers={"Retry-After": text})
    with pytest.raises(Transient) as caught:
        send(root, httpserver.url_for("/hook"))
    return caught.value.after


def test_retry_after_is_honoured_and_bounded(httpserver: HTTPServer, tmp_path: Path) -> None:
    assert pause_for(httpserver, tmp_path, "17") == 17
    assert pause_for(httpserver, tmp_path, "999999999999999") == 86_400
    pause = pause_for(httpserver, tmp_path, format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True))
    assert pause is not None
    assert 50 <= pause <= 61
    past = format_datetime(datetime.now(UTC) - timedelta(days=1), usegmt=True)
    assert pause_for(httpserver, tmp_path, past) == 0


@pytest.mark.parametrize("text", ["-3", "soon", "1.5"])
def test_a_pause_that_is_none_is_left_to_us(httpserver: HTTPServer, tmp_path: Path, text: str) -> None:
    assert pause_for(httpserver, tmp_path, text) is None


def test_a_redirect_to_another_host_is_not_followed(httpserver: HTTPServer, tmp_path: Path) -> None:
    there: list[bytes] = []

    def other(connection: socket.socket) -> None:
        there.append(connection.recv(100))

    with raw_server(other) as url:
        httpserver.expect_request("/hook").respond_with_data("", status=307, headers={"Location": url})
        with pytest.raises(Permanent, match="not followed"):
            send(tmp_path, httpserver.url_for("/hook"))
    assert there == []


def test_a_redirect_within_the_host_is_followed_with_the_body(httpserver: HTTPServer, tmp_path: Path) -> None:
    httpserver.expect_request("/old").respond_with_data("", status=308, headers={"Location": "/new"})
    httpserver.expect_request("/new", method="POST").respond_with_data("here")
    done = send(tmp_path, httpserver.url_for("/old"), body="text")
    assert done.detail["response"] == "here"
    assert httpserver.log[1][0].data == b"text"


def test_a_redirect_that_would_drop_the_body_is_final(httpserver: HTTPServer, tmp_path: Path) -> None:
    httpserver.expect_request("/old").respond_with_data("", status=302, headers={"Location": "/new"})
    with pytest.raises(Permanent, match="answered 302"):
        send(tmp_path, httpserver.url_for("/old"))


def test_a_circle_of_redirects_ends(httpserver: HTTPServer, tmp_path: Path) -> None:
    httpserver.expect_request("/a").respond_with_data("", status=307, headers={"Location": "/a"})
    with pytest.raises(Permanent, match="more than 3 times"):
        send(tmp_path, httpserver.url_for("/a"))
    assert len(httpserver.log) == 4


def test_nobody_listening_is_tried_again_and_the_path_of_the_url_is_not_told(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(Transient, match=r"no answer from 127\.0\.0\.1") as caught:
        send(tmp_path, f"http://127.0.0.1:{port}/T0/B0/hook-token?key=abc")
    assert "hook-token" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_host_without_an_address_is_tried_again(tmp_path: Path) -> None:
    with pytest.raises(Transient, match=r"no answer from nowhere\.invalid"):
        send(tmp_path, "http://nowhere.invalid/")


def test_a_dropped_connection_is_tried_again(tmp_path: Path) -> None:
    with raw_server(lambda connection: None) as url, pytest.raises(Transient):
        send(tmp_path, url)


def test_silence_is_tried_again_after_the_limit(tmp_path: Path) -> None:
    with raw_server(lambda connection: time.sleep(3)) as url:
        started = time.monotonic()
        with pytest.raises(Transient, match=r"within 0\.5 s"):
            send(tmp_path, url, timeout_seconds=0.5)
        assert time.monotonic() - started < 2.5


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_an_answer_that_drips_is_cut_at_the_limit(tmp_path: Path, start: bytes) -> None:
    def drip(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(start)
        for _ in range(60):
            connection.sendall(b"x")
            time.sleep(0.1)

    with raw_server(drip) as url:
        started = time.monotonic()
        with pytest.raises(Transient, match=r"in full within 0\.6 s"):
            send(tmp_path, url, timeout_seconds=0.6)
        assert time.monotonic() - started < 3


def test_an_endless_answer_is_read_to_its_bound(tmp_path: Path) -> None:
    sent = 0

    def pour(connection: socket.socket) -> None:
        nonlocal sent
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            sent += connection.send(b"y" * 65536)

    with raw_server(pour) as url:
        done = send(tmp_path, url, timeout_seconds=10)
    assert len(done.detail["response"]) == 500
    assert sent < 20_000_000


def test_a_compressed_bomb_is_not_unpacked(tmp_path: Path) -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)

    def reply(connection: socket.socket) -> None:
        connection.recv(65536)
        head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n"
        connection.sendall(head.encode() + bomb)

    with raw_server(reply) as url:
        done = send(tmp_path, url)
    assert done.detail["status"] == 200
    assert len(done.detail["response"]) <= 500
