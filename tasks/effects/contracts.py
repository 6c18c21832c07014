"""What an action is: typed parameters, and one attempt at the outside world."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel

from tasks.site.settings import Settings


@dataclass(frozen=True, slots=True)
class EffectContext:
    """What an attempt may know: the effect's key, its event and target as plain data, the settings.

    ``site_root`` is the site folder: relative paths of scripts and secret files start there.
    """

    key: str
    attempt: int
    event: Mapping[str, Any]
    target: Mapping[str, Any] | None
    settings: Settings
    site_root: str


@dataclass(frozen=True, slots=True)
class Done:
    """An attempt that succeeded, with what is worth keeping of it (bounded, free of secrets)."""

    summary: str
    detail: Mapping[str, Any]


class Action(Protocol):
    """One way to act on the outside world."""

    #: The word for it in policies and alerts.
    name: ClassVar[str]
    #: Its parameters; ``catchment check`` validates and explains them by this model.
    params: ClassVar[type[BaseModel]]
    #: The longest one attempt may take, in seconds, for parameters that name no other limit.
    limit_seconds: ClassVar[float]
    #: Optional, False where it is absent: it acts on a cloud, so ``actions.per_rule`` and ``per_target`` count it.
    #: ``limited: ClassVar[bool]``
    #: Optional, False where it is absent: it ends or moves work, which a site has to allow (``actions.destructive``).
    #: ``destructive: ClassVar[bool]``
    #: Optional: for parameters, the internal event whose policies are asked before it comes to be.
    #: ``guard(params: Mapping[str, Any]) -> str | None``

    def run(self, params: Any, context: EffectContext) -> Done:
        """Try once.

        Raises :class:`tasks.model.errors.Transient` where another try may help, ``Permanent`` where
        it will not. Never logs or returns a secret.
        """
