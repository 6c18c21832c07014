"""The action ``mail``: send a mail through the site's SMTP server."""

from __future__ import annotations

import hashlib
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import BaseModel, Field, StringConstraints, ValidationInfo, field_validator

from tasks.effects import post, templates
from tasks.effects.contracts import Done, EffectContext
from tasks.effects.document import header_safe
from tasks.effects.secrets import redact_text
from tasks.model import clock
from tasks.model.errors import Permanent
from tasks.site.references import read_secret_file
from tasks.site.surfaces import Mail as MailSettings


class MailParams(BaseModel, extra="forbid"):
    """To whom, and what."""

    to: list[str] = Field(min_length=1, max_length=100, description="Addresses.")
    cc: list[str] = Field(default_factory=list, max_length=100, description="Addresses that get a copy.")
    template: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,95}$")] | None = Field(
        None, description="The name of a file in templates/, without .txt, instead of subject and body."
    )
    subject: str | None = Field(None, min_length=1, validate_default=True, description="One line.")
    body: str = Field("", description="Plain text.")

    @field_validator("template")
    @classmethod
    def _exists(cls, template: str | None, info: ValidationInfo) -> str | None:
        files = (info.context or {}).get("files")
        path = f"{templates.FOLDER}/{template}.txt"
        if template is not None and files is not None and path not in files:
            raise ValueError(f"the site has no {path}")
        return template

    @field_validator("subject")
    @classmethod
    def _has_one_subject(cls, subject: str | None, info: ValidationInfo) -> str | None:
        if "template" in info.data and (subject is None) == (info.data["template"] is None):
            raise ValueError("a mail needs one, or a template" if subject is None else "the template has it: remove it")
        return subject

    @field_validator("body")
    @classmethod
    def _has_one_body(cls, body: str, info: ValidationInfo) -> str:
        if body and info.data.get("template") is not None:
            raise ValueError("the template has the text: remove it")
        return body

    @field_validator("to", "cc", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @field_validator("to", "cc")
    @classmethod
    def _are_addresses(cls, addresses: list[str]) -> list[str]:
        for address in addresses:
            if "${" not in address and not _is_address(address):
                raise ValueError(f"{address!r} is no mail address: write it as name@example.org")
        return addresses


class Mail:
    """Sends one mail. Its Message-ID is made from the effect's key, so that a second copy is recognised."""

    name: ClassVar[str] = "mail"
    params: ClassVar[type[BaseModel]] = MailParams
    limit_seconds: ClassVar[float] = post.LIMIT_SECONDS

    def run(self, params: MailParams, context: EffectContext) -> Done:
        """Send once.

        Raises ``Transient`` where the server cannot be reached or answers 4xx, ``Permanent`` where it
        answers 5xx or the mail cannot be written. Where it takes the mail for some recipients only, the
        effect is done and names those that were refused: another try would reach the others twice.
        """
        settings = context.settings.mail
        recipients = list(dict.fromkeys([*params.to, *params.cc]))
        message = write(params, context, settings.sender)
        server = _server(settings, Path(context.site_root))
        refused = post.deliver(message, settings.sender, recipients, server)
        detail = {"message_id": message["Message-ID"], "recipients": len(recipients)}
        if not refused:
            return Done(f"sent to {len(recipients)}", detail)
        taken = len(recipients) - len(refused)
        names = ", ".join(refused)
        detail["refused"] = {redact_text(name, limit=320): text for name, text in refused.items()}
        return Done(redact_text(f"sent to {taken} of {len(recipients)}, refused: {names}", limit=500), detail)


def write(params: MailParams, context: EffectContext, sender: str) -> EmailMessage:
    """Write the mail.

    Raises ``Permanent`` where a header would hold a line end or no address, and for a template that cannot be filled.
    """
    said = _said(params, context)
    for address in (sender, *params.to, *params.cc):
        if not _is_address(address):
            raise Permanent(f"{redact_text(address, limit=320)!r} is no mail address: nothing was sent")
    if any(not c.isprintable() for c in said.subject):
        raise Permanent("the subject would hold a line end or another control character: nothing was sent")
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = ", ".join(params.to)
    if params.cc:
        message["Cc"] = ", ".join(params.cc)
    message["Subject"] = _sendable(said.subject)
    message["Date"] = format_datetime(clock.now())
    message["Message-ID"] = message_id(context.key, sender)
    # Keeps absence notices and mailing lists from answering (RFC 3834).
    message["Auto-Submitted"] = "auto-generated"
    message["X-Catchment-Effect"] = header_safe(context.key)
    message.set_content(_sendable(said.text))
    if said.html is not None:
        message.add_alternative(_sendable(said.html), subtype="html")
    return message


def _said(params: MailParams, context: EffectContext) -> templates.Written:
    if params.template is None:
        return templates.Written(params.subject or "", params.body, None)
    return (context.templates or templates.Templates({})).fill(params.template, context)


def _sendable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")


def message_id(key: str, sender: str) -> str:
    """The Message-ID of an effect: the same at every try."""
    digest = hashlib.sha256(f"{sender}\n{key}".encode("utf-8", "surrogatepass")).hexdigest()
    return f"<{digest[:40]}@{parseaddr(sender)[1].rpartition('@')[2]}>"


def _is_address(address: str) -> bool:
    if len(address) > 320 or any(not c.isprintable() or c in ',;<>"()[]\\ ' for c in address):
        return False
    local, at, domain = address.rpartition("@")
    return bool(local and at and domain) and "@" not in local


def _server(settings: MailSettings, root: Path) -> post.Server:
    password = settings.password.get_secret_value() if settings.password else None
    if password is None and settings.password_file is not None:
        password = read_secret_file(settings.password_file, root)
    return post.Server(
        host=settings.host,
        port=settings.port,
        security=settings.security,
        user=settings.user,
        password=password,
        ca_file=str(root / settings.ca_file) if settings.ca_file else None,
    )
