"""Conversations with a mail server: TLS, signing in, and how they may break."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session
from pydantic import SecretStr

from tasks.effects.contracts import Done, EffectContext
from tasks.effects.mail import Mail, MailParams
from tasks.model.errors import Permanent, Transient
from tasks.site.settings import Settings
from tasks.site.surfaces import Mail as MailSettings
from tests.unit.effects.effects_ground import Desk, certificate, desk

KEY = "12:alert/down:mail:server/s1:0"


@contextmanager
def raw_server(lines: list[bytes], hold: float = 0.0) -> Iterator[int]:
    """Says its lines, one after each line of the client, and hangs up."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        try:
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as reader:
                for line in lines:
                    connection.sendall(line)
                    reader.readline()
                time.sleep(hold)
        except OSError:
            pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()
        thread.join(5)


def send(root: Path, port: int, *, mail: dict[str, Any] | None = None, key: str = KEY, **params: Any) -> Done:
    settings = Settings.model_construct(
        mail=MailSettings(host="127.0.0.1", port=port, sender="catchment@example.org", **(mail or {}))
    )
    given = {"to": ["ops@example.org"], "subject": "A server went down", "body": "It did."} | params
    context = EffectContext(key, 1, {"id": 12}, None, settings, str(root))
    return Mail().run(MailParams.model_validate(given), context)


def test_nobody_listening_is_tried_again(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(Transient, match=r"no conversation with 127\.0\.0\.1"):
        send(tmp_path, port)


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [b"220 hello\r\n"],
        [b"220 hello\r\n", b"250 hi\r\n", b"250 ok\r\n", b"250 ok\r\n"],
        [b"220 hello\r\n", b"250 hi\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"],
    ],
)
def test_a_connection_that_drops_is_tried_again(tmp_path: Path, lines: list[bytes]) -> None:
    with raw_server(lines) as port, pytest.raises(Transient):
        send(tmp_path, port)


def test_a_greeting_that_refuses_is_told_apart(tmp_path: Path) -> None:
    with raw_server([b"421 later\r\n"]) as port, pytest.raises(Transient, match="421 later"):
        send(tmp_path, port)
    with raw_server([b"554 go away\r\n"]) as port, pytest.raises(Permanent, match="554 go away"):
        send(tmp_path, port)


def test_a_server_that_hangs_up_after_taking_the_mail_has_taken_it(tmp_path: Path) -> None:
    taken = [b"220 h\r\n", b"250 hi\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"]
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, connection.makefile("rb") as reader:
            for line in taken:
                connection.sendall(line)
                reader.readline()
            while reader.readline() != b".\r\n":
                pass
            connection.sendall(b"250 taken\r\n")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    assert send(tmp_path, listener.getsockname()[1]).summary == "sent to 1"
    thread.join(5)
    listener.close()


def test_a_server_that_drips_is_cut_at_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.effects.post.LIMIT_SECONDS", 0.6)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            try:
                for _ in range(40):
                    connection.sendall(b"220-still here\r\n")
                    time.sleep(0.1)
            except OSError:
                pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    started = time.monotonic()
    with pytest.raises(Transient, match=r"within 0\.6 s"):
        send(tmp_path, listener.getsockname()[1])
    assert time.monotonic() - started < 3
    listener.close()
    thread.join(6)


def sign_in(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
    good = (data.login, data.password) == (b"catchment", b"p4ss-word")
    return AuthResult(success=good, handled=False, auth_data=data.login.decode() if good else None)


def test_starttls_and_sign_in_with_a_password_from_a_file(tmp_path: Path) -> None:
    tls = certificate(tmp_path, "localhost")
    (tmp_path / "password").write_text("p4ss-word\n")
    mail = {
        "host": "localhost",
        "security": "starttls",
        "user": "catchment",
        "password_file": "password",
        "ca_file": "ca.pem",
    }
    handler = Desk()
    options = {"tls_context": tls, "require_starttls": True, "auth_required": True, "authenticator": sign_in}
    with desk(handler, **options) as port:
        settings = Settings.model_construct(mail=MailSettings(port=port, sender="c@example.org", **mail))
        context = EffectContext(KEY, 1, {}, None, settings, str(tmp_path))
        done = Mail().run(MailParams(to=["a@example.org"], subject="s"), context)
    assert done.summary == "sent to 1"
    assert handler.users == ["catchment"]


def test_a_certificate_of_another_host_or_of_nobody_known_is_refused(tmp_path: Path) -> None:
    tls = certificate(tmp_path, "mail.example.org")
    for ca_file in ("ca.pem", None):
        handler = Desk()
        with desk(handler, tls_context=tls) as port, pytest.raises(Transient, match=r"(?i)certificate"):
            send(tmp_path, port, mail={"security": "starttls", "ca_file": ca_file})
        assert handler.taken == []


def test_tls_from_the_first_byte(tmp_path: Path) -> None:
    tls = certificate(tmp_path, "localhost")
    handler = Desk()
    with desk(handler, ssl_context=tls) as port:
        settings = Settings.model_construct(
            mail=MailSettings(host="localhost", port=port, sender="c@example.org", security="tls", ca_file="ca.pem")
        )
        context = EffectContext(KEY, 1, {}, None, settings, str(tmp_path))
        assert Mail().run(MailParams(to=["a@example.org"], subject="s"), context).summary == "sent to 1"
    assert len(handler.taken) == 1


def test_a_server_without_starttls_gets_no_mail_in_the_clear(tmp_path: Path) -> None:
    handler = Desk()
    with desk(handler) as port, pytest.raises(Permanent, match="cannot do what the mail settings ask"):
        send(tmp_path, port, mail={"security": "starttls"})
    assert handler.taken == []


def test_a_refused_sign_in_is_final_and_tells_no_password(tmp_path: Path) -> None:
    tls = certificate(tmp_path, "localhost")
    mail = MailSettings(
        host="localhost",
        sender="c@example.org",
        security="starttls",
        user="catchment",
        password=SecretStr("wr0ng-one"),
        ca_file=Path("ca.pem"),
    )
    with desk(Desk(), tls_context=tls, authenticator=sign_in) as port:
        mail.port = port
        context = EffectContext(KEY, 1, {}, None, Settings.model_construct(mail=mail), str(tmp_path))
        with pytest.raises(Permanent, match="535") as caught:
            Mail().run(MailParams(to=["a@example.org"], subject="s"), context)
    assert "wr0ng-one" not in repr(caught.value)
    assert "wr0ng-one" not in json.dumps(context.settings.mail.model_dump(mode="json"))
