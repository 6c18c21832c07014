"""The table of tokens that open the HTTP API and the pages."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Identity, Text
from sqlalchemy.orm import Mapped, mapped_column

from tasks.ledger.base import Base, Id


class Token(Base):
    """A token, kept as a digest alone. ``role`` is view, operate, admin or push; ``project`` narrows what it sees.

    A token with the role push may post notifications to the provider of that name, and nothing else.
    """

    __tablename__ = "token"

    id: Mapped[int] = mapped_column(Id, Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(Text, unique=True)
    digest: Mapped[str] = mapped_column(Text, unique=True)
    role: Mapped[str]
    project: Mapped[str | None]
    provider: Mapped[str | None]
    made_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
