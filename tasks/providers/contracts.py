"""What a kind of provider brings: monitors, a converter, an inventory reader, an operator."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Protocol, runtime_checkable

from tasks.model.event import Identity, Message, Normalised, Notification, ObjectRef


@dataclass(frozen=True, slots=True)
class ProviderConfig:
    """One provider of the site: ``providers.yaml`` names it, ``clouds.yaml`` says how to sign in.

    ``options`` is the checked options model of the provider's kind; ``session`` builds a
    keystoneauth session for the provider's cloud on first use (None where it has no cloud).
    """

    name: str
    kind: str
    options: Any
    session: Callable[[], Any] | None = None


@dataclass(slots=True)
class Batch:
    """Notifications that belong together, and what follows once the ledger has them.

    ``cursor`` is where the source must be asked next (None: the source keeps no cursor). ``ack`` is
    called after the commit and never before; ``reject`` puts them back to the source when the commit
    failed. ``more`` says that the source has more waiting right now.
    """

    notifications: list[Notification]
    cursor: dict[str, Any] | None = None
    more: bool = False
    ack: Callable[[], None] = lambda: None
    reject: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether a monitor can serve a provider, and why not where it cannot.

    ``absent`` says that the provider has no such source, so that there is no use in asking again soon.
    """

    ok: bool
    reason: str = ""
    absent: bool = False


class Monitor(Protocol):
    """Gets raw notifications from one provider.

    Life: ``available`` (class level, opens and closes a real connection, never raises), then
    ``start``, then ``batches`` until it is exhausted (poll) or for ever (``push`` monitors), then
    ``stop``. ``stop`` may be called at any time, from a signal handler too, and more than once.
    """

    #: The word for it in ``providers.yaml``.
    name: ClassVar[str]
    #: Higher is asked first by ``monitor: auto`` (spec capture 1.1).
    priority: ClassVar[int]
    #: Whether the listener can hold it open and be told at once.
    push: ClassVar[bool]

    def __init__(self, provider: ProviderConfig) -> None: ...

    @classmethod
    def available(cls, provider: ProviderConfig) -> Availability:
        """Try a real connection with the provider's options."""

    def start(self, cursor: dict[str, Any] | None) -> None:
        """Connect, and go to the cursor: the value of the last committed batch, None at first."""

    def batches(self, *, wait: float, limit: int) -> Iterator[Batch]:
        """Yield batches of at most ``limit`` notifications.

        Waits at most ``wait`` seconds for the first notification and ends when nothing more is
        waiting. The listener calls it again and again; a poll calls it once.

        Raises :class:`tasks.model.errors.ProviderDown` or ``SignedOut``.
        """

    def stop(self) -> None:
        """Close connections; what was not acknowledged stays with the source."""


@runtime_checkable
class Keeping(Protocol):
    """A push monitor that knows, once it is started, whether its source has kept what came while it was away."""

    kept: bool


class Rereading(Monitor, Protocol):
    """A monitor that can read what happened in a stretch of time: gaps of a push monitor are filled by it."""

    @classmethod
    def cursor_from(cls, moment: datetime) -> dict[str, Any]:
        """Where to read on for all that happened from a moment on."""

    @classmethod
    def is_past(cls, cursor: Mapping[str, Any] | None, moment: datetime) -> bool:
        """Whether all that happened before a moment lies before a cursor."""


class Converter(Protocol):
    """Turns notifications of one kind of provider into canonical events. Pure: no network, no ledger."""

    @property
    def source(self) -> str:
        """Part of the switchboard's address (``OPENSTACK``), spec automate 2.2."""

    def unwrap(self, body: bytes | str | dict[str, Any]) -> list[Message]:
        """Take a body out of its envelope; one body may carry several events. Secrets are removed here.

        Raises :class:`tasks.model.errors.BadPayload` for a body that cannot be read at all.
        """

    def identify(self, message: Message) -> Identity:
        """The little that catch must know. Never fails on a message that ``unwrap`` returned."""

    def convert(self, message: Message) -> Normalised:
        """The canonical facts. Raises ``BadPayload`` where the payload makes no event."""


@dataclass(frozen=True, slots=True)
class Reading:
    """An inventory object as just read from the provider."""

    ref: ObjectRef
    name: str | None
    tenant_id: str | None
    attributes: Mapping[str, Any] = field(default_factory=dict)


class InventoryReader(Protocol):
    """Reads inventory objects from a provider's API, one at a time or all of a kind."""

    #: The kinds that it can read, in the order of a full refresh.
    kinds: ClassVar[tuple[str, ...]]

    def __init__(self, provider: ProviderConfig) -> None: ...

    def read(self, ref: ObjectRef) -> Reading:
        """Read one object.

        Raises :class:`tasks.model.errors.Gone` on 404 and on nothing else, ``ProviderDown``,
        ``SignedOut`` or ``Transient`` on all other failures (spec capture 9 C2).
        """

    def read_all(self, kind: str) -> Iterator[Reading]:
        """Stream all objects of a kind, page by page."""

    def close(self) -> None:
        """Give connections back."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """The try of an effect that an operation belongs to.

    ``key`` is equal at every try of one effect. ``number`` counts the tries from 1, and ``since`` is when the
    first of them began: what the object went through from then on may be the work of an earlier try whose
    answer was lost.
    """

    key: str
    number: int
    since: datetime


class Operator(Protocol):
    """Acts on a provider's objects through its API. Whatever it is asked for may be asked for twice."""

    #: The words for what it can do, each with the kinds of object that it can do that to.
    operations: ClassVar[Mapping[str, tuple[str, ...]]]

    def __init__(self, provider: ProviderConfig) -> None: ...

    def operate(self, word: str, ref: ObjectRef, params: Mapping[str, Any], attempt: Attempt) -> str:
        """Do it once and say in one line what was done; what an earlier try did already is success.

        Raises :class:`tasks.model.errors.Transient` where another try may help (the object is busy, the
        provider down or in need of a pause), ``Permanent`` where it will not: no such object, no
        permission, a state that does not allow it.
        """

    def close(self) -> None:
        """Give connections back."""


@dataclass(frozen=True, slots=True)
class ProviderKind:
    """All that the table of providers knows of one kind. Without an operator nothing can be done to its objects.

    ``converting`` makes the converter of one provider from its options, where they say how its messages are to be
    read; ``converter`` is then the one for options that say nothing of it. ``losses`` are the types of events by
    which its monitors tell that the source has lost something, each with the reason.
    """

    name: str
    converter: Converter
    options: type[Any]
    monitors: tuple[type[Monitor], ...]
    inventory: type[InventoryReader] | None
    operator: type[Operator] | None = None
    converting: Callable[[Any], Converter] | None = None
    losses: Mapping[str, str] = field(default_factory=dict)

    def converter_of(self, options: Any) -> Converter:
        """The converter of a provider with these options."""
        return self.converter if self.converting is None else self.converting(options)
