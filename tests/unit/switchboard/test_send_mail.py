"""The built-in method send_email asks for a mail; the mail itself is an effect like any other."""

from __future__ import annotations

from tasks.effects.mail import MailParams
from tasks.switchboard.handle import switchboard_handler
from tests.unit.switchboard.small_datastores import FakeView, event, shipped_with

CALL = (
    "send_email(to => '{to}', from => 'x@example.org', subject => '{subject}', "
    "body => 'it is off', cc => 'b@example.org', bcc => '{bcc}')"
)


def asked(to: str, subject: str = "off", bcc: str = "") -> tuple[list[dict[str, object]], list[str]]:
    text = CALL.format(to=to, subject=subject, bcc=bcc).replace(", bcc => ''", "")
    store = shipped_with({"image.create": {"meth1": text}})
    outcome = switchboard_handler(event("image.create"), FakeView(store))
    verdicts = [f.verdict for f in outcome.findings if f.name.endswith("send_email")]
    return [ask.params for ask in outcome.asks], verdicts


def test_mail_is_asked_for_with_parameters_that_the_action_takes() -> None:
    [params], verdicts = asked("a@example.org, c@example.org")
    assert verdicts == ["asked"]
    read = MailParams.model_validate(params)
    assert (read.to, read.cc, read.subject) == (["a@example.org", "c@example.org"], ["b@example.org"], "off")


def test_mail_to_nobody_is_skipped_with_the_reason() -> None:
    assert asked(" ") == ([], ["skipped"])


def test_hidden_copies_are_not_sent_and_that_is_told() -> None:
    [params], _ = asked("a@example.org", bcc="hidden@example.org")
    assert "hidden@example.org" not in str(params)
