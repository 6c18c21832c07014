"""What an action is: typed parameters, and one attempt at the outside world."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel

from tasks.providers.contracts import ProviderConfig
from tasks.site.settings import Settings


@dataclass(frozen=True, slots=True)
class EffectContext:
    """What an attempt may know: the effect's key, its event, target and rule as plain data, the settings.

    ``site_root`` is the site folder: relative paths of scripts and secret files start there. ``providers`` are
    those of the site by name, and ``event["provider"]`` is the name of the one that event and target belong to.
    ``since`` is when the first of the tries began that ``attempt`` counts. ``rule`` has ``kind``
    (``policy``, ``alert``, ``script-action`` or ``method``), ``name``, and of an alert whose incident is open
    ``severity`` and ``summary``, else None. ``templates`` are those of the site (:mod:`tasks.effects.templates`).
    """

    key: str
    attempt: int
    event: Mapping[str, Any]
    target: Mapping[str, Any] | None
    settings: Settings
    site_root: str
    providers: Mapping[str, ProviderConfig] = field(default_factory=dict)
    since: datetime | None = None
    rule: Mapping[str, Any] = field(default_factory=dict)
    templates: Any = None


@dataclass(frozen=True, slots=True)
class Done:
    """An attempt that succeeded, with what is worth keeping of it (bounded, free of secrets)."""

    summary: str
    detail: Mapping[str, Any]


class Action(Protocol):
    """One way to act on the outside world.

    More members may be left out, so readers ask for them by ``getattr`` with what they are then:

    * ``destructive: ClassVar[bool]``, False: whether it can interrupt or lose what runs for somebody.
    * ``kinds: ClassVar[tuple[str, ...] | None]``, None: the kinds of target that it can work on, None for any
      target and for none. ``catchment check`` refuses it where a rule's target is of another kind.
    * ``limited: ClassVar[bool]``, False: it acts on a cloud, so ``actions.per_rule`` and ``per_target`` count it.
    * ``guard(params) -> str | None``, none: the internal event whose policies are asked before it comes to be.
    """

    #: The word for it in policies and alerts.
    name: ClassVar[str]
    #: Its parameters; ``catchment check`` validates and explains them by this model.
    params: ClassVar[type[BaseModel]]
    #: The longest one attempt may take, in seconds, for parameters that name no other limit.
    limit_seconds: ClassVar[float]

    def run(self, params: Any, context: EffectContext) -> Done:
        """Try once.

        Raises :class:`tasks.model.errors.Transient` where another try may help, ``Permanent`` where
        it will not. Never logs or returns a secret.
        """
