"""Mails over real sockets: what is sent, what each answer means, and how a conversation may break."""

from __future__ import annotations

import email
import email.policy
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import Envelope
from pydantic import ValidationError

from tasks.effects.contracts import Done, EffectContext
from tasks.effects.mail import Mail, MailParams
from tasks.model.errors import Permanent, Transient
from tasks.site.settings import Mail as MailSettings
from tasks.site.settings import Settings
from tests.unit.effects.effects_ground import Desk, desk

KEY = "12:alert/down:mail:server/s1:0"


def send(root: Path, port: int, *, mail: dict[str, Any] | None = None, key: str = KEY, **params: Any) -> Done:
    settings = Settings.model_construct(
        mail=MailSettings(host="127.0.0.1", port=port, sender="catchment@example.org", **(mail or {}))
    )
    given = {"to": ["ops@example.org"], "subject": "A server went down", "body": "It did."} | params
    context = EffectContext(key, 1, {"id": 12}, None, settings, str(root))
    return Mail().run(MailParams.model_validate(given), context)


def read(envelope: Envelope) -> email.message.EmailMessage:
    assert isinstance(envelope.content, bytes)
    return email.message_from_bytes(envelope.content, policy=email.policy.default)


def test_a_mail_arrives_with_its_headers(tmp_path: Path) -> None:
    handler = Desk()
    with desk(handler) as port:
        done = send(tmp_path, port, cc=["boss@example.org"], subject="Größe: ü", body="Zeile\n.\nEnde ✓\n")
    (envelope,) = handler.taken
    message = read(envelope)
    assert envelope.mail_from == "catchment@example.org"
    assert envelope.rcpt_tos == ["ops@example.org", "boss@example.org"]
    assert message["Subject"] == "Größe: ü"
    assert message["To"] == "ops@example.org"
    assert message["Cc"] == "boss@example.org"
    assert message["X-Catchment-Effect"] == KEY
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"]
    assert message.get_content().replace("\r\n", "\n") == "Zeile\n.\nEnde ✓\n"
    assert done.summary == "sent to 2"
    assert done.detail["message_id"] == message["Message-ID"]


def test_every_try_of_an_effect_has_the_same_message_id_and_another_effect_another(tmp_path: Path) -> None:
    handler = Desk()
    with desk(handler) as port:
        for key in (KEY, KEY, "13:alert/down:mail:server/s1:0"):
            send(tmp_path, port, key=key)
    first, again, other = (read(envelope)["Message-ID"] for envelope in handler.taken)
    assert first == again
    assert first != other
    assert first.endswith("@example.org>")


@pytest.mark.parametrize(
    "params",
    [
        {"subject": "down\r\nBcc: all@example.org"},
        {"subject": "down\nX: y"},
        {"to": ["ops@example.org\r\nBcc: all@example.org"]},
    ],
)
def test_a_line_end_in_a_header_is_refused(tmp_path: Path, params: dict[str, Any]) -> None:
    handler = Desk()
    settings = Settings.model_construct(mail=MailSettings(host="127.0.0.1", sender="c@example.org"))
    given = {"to": ["a@example.org"], "cc": [], "subject": "s", "body": ""} | params
    with desk(handler) as port:
        settings.mail.port = port
        with pytest.raises(Permanent, match="nothing was sent"):
            Mail().run(MailParams.model_construct(**given), EffectContext(KEY, 1, {}, None, settings, str(tmp_path)))
    assert handler.taken == []


def test_a_body_cannot_end_the_mail_or_hold_what_cannot_be_sent(tmp_path: Path) -> None:
    handler = Desk()
    with desk(handler) as port:
        send(tmp_path, port, body="a\n.\nQUIT\n\ud800 end")
    assert "QUIT" in read(handler.taken[0]).get_content()


@pytest.mark.parametrize("answer", ["451 try later", "421 too busy", "452 full"])
def test_a_temporary_answer_is_tried_again(tmp_path: Path, answer: str) -> None:
    with desk(Desk(data=answer)) as port, pytest.raises(Transient, match=answer):
        send(tmp_path, port)


@pytest.mark.parametrize("answer", ["550 no such user", "554 spam"])
def test_a_final_answer_is_final(tmp_path: Path, answer: str) -> None:
    with desk(Desk(data=answer)) as port, pytest.raises(Permanent, match=answer):
        send(tmp_path, port)


def test_recipients_that_are_all_refused_for_good_are_final_and_named(tmp_path: Path) -> None:
    handler = Desk({"a@example.org": "550 unknown", "b@example.org": "551 moved"})
    with (
        desk(handler) as port,
        pytest.raises(Permanent, match=r"a@example.org \(550 unknown\); b@") as caught,
    ):
        send(tmp_path, port, to=["a@example.org", "b@example.org"])
    assert "551 moved" in str(caught.value)


def test_recipients_of_whom_one_may_be_taken_later_are_tried_again(tmp_path: Path) -> None:
    handler = Desk({"a@example.org": "550 unknown", "b@example.org": "450 greylisted"})
    with desk(handler) as port, pytest.raises(Transient, match="450 greylisted"):
        send(tmp_path, port, to=["a@example.org", "b@example.org"])


def test_a_partly_taken_mail_is_done_and_names_only_those_refused(tmp_path: Path) -> None:
    handler = Desk({"b@example.org": "550 unknown"})
    with desk(handler) as port:
        done = send(tmp_path, port, to=["a@example.org", "b@example.org", "c@example.org"])
    assert handler.taken[0].rcpt_tos == ["a@example.org", "c@example.org"]
    assert done.summary == "sent to 2 of 3, refused: b@example.org"
    assert done.detail["refused"] == {"b@example.org": "550 unknown"}


def test_one_recipient_named_twice_gets_one_mail(tmp_path: Path) -> None:
    handler = Desk()
    with desk(handler) as port:
        send(tmp_path, port, to=["a@example.org"], cc=["a@example.org"])
    assert handler.taken[0].rcpt_tos == ["a@example.org"]


@pytest.mark.parametrize(
    ("params", "word"),
    [
        ({"to": []}, "to"),
        ({"to": ["root"]}, "no mail address"),
        ({"to": ["a@b, c@d"]}, "no mail address"),
        ({"to": ["a@b.org"], "subject": ""}, "subject"),
        ({"to": ["a@b.org"], "bcc": ["x@y.org"]}, "bcc"),
    ],
)
def test_wrong_parameters_are_refused(params: dict[str, Any], word: str) -> None:
    with pytest.raises(ValidationError, match=word):
        MailParams.model_validate({"subject": "s"} | params)


def test_one_address_and_a_placeholder_are_fine() -> None:
    assert MailParams.model_validate({"to": "a@b.org", "subject": "s"}).to == ["a@b.org"]
    assert MailParams.model_validate({"to": ["${event.owner}"], "subject": "s"}).to == ["${event.owner}"]
