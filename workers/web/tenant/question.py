"""What ``GET /v1/events`` is asked for: the filters of ESI Leap's API, and 400 for all else (spec esi 3)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from tasks.ledger import leases
from tasks.ledger.esi import Asked
from workers.web.tenant.answers import Refusal

PARAMETERS = (
    "last_event_id", "lessee_or_owner_id", "last_event_time", "event_type", "resource_type", "resource_uuid",
)  # fmt: skip
#: The types of resources that the service knows.
RESOURCE_TYPES = ("dummy_node", "ironic_node", "test_node")
_LARGEST = 2**63 - 1
_LONGEST = 300


def read_question(session: Session, pairs: Sequence[tuple[str, str]], project: str | None) -> Asked:
    """The records that are wanted. A caller of one project is given that project's, whatever it asks for.

    Raises :class:`Refusal` for parameters that do not exist, come twice, or cannot be read.
    """
    given: dict[str, str] = {}
    for name, value in pairs:
        if name not in PARAMETERS:
            raise Refusal(400, f'Unknown argument: "{name[:100]}"')
        if name in given:
            raise Refusal(400, f'Argument "{name}" was given more than once.')
        if len(value) > _LONGEST or "\x00" in value:
            raise Refusal(400, f"Invalid input for field/attribute {name}. The value is too long or holds a NUL.")
        given[name] = value
    kind, resource = _resource(session, given)
    return Asked(
        last_id=_number(given.get("last_event_id")),
        after=_moment(given.get("last_event_time")),
        project=project if project is not None else _project(session, given.get("lessee_or_owner_id")),
        event_type=given.get("event_type"),
        resource_type=kind,
        resource_uuid=resource,
    )


def _number(value: str | None) -> int | None:
    if value is None:
        return None
    try:
        number = int(value)
    except ValueError as error:
        words = f"unable to convert to int. Error: {error}"
        raise Refusal(400, f"Invalid input for field/attribute last_event_id. Value: '{value}'. {words}") from None
    if abs(number) > _LARGEST:
        words = "an id has 64 bits at the most."
        raise Refusal(400, f"Invalid input for field/attribute last_event_id. Value: '{value}'. {words}")
    return number


def _moment(value: str | None) -> datetime | None:
    """A date, or a date and time with ``T`` or a blank. As in the service, an offset is not converted."""
    if value is None:
        return None
    try:
        # A plus sign in a query is a blank, so an offset comes as one.
        return datetime.fromisoformat(value.strip()).replace(tzinfo=UTC)
    except ValueError:
        words = f"Value: '{value}'. It is no date and time such as 2026-11-21T09:27:00."
        raise Refusal(400, f"Invalid input for field/attribute last_event_time. {words}") from None


def _project(session: Session, ident: str | None) -> str | None:
    """A project by its id, or by the name that inventory knows it under."""
    if ident is None:
        return None
    found = leases.project_named(session, ident)
    if found is None:
        raise Refusal(400, f"Project {ident} could not be found. Give its id.")
    return found


def _resource(session: Session, given: dict[str, str]) -> tuple[str | None, str | None]:
    """Type and id of the resource. A node of Ironic may be named; without a type an id is looked for in all."""
    kind, ident = given.get("resource_type"), given.get("resource_uuid")
    if ident is None:
        return kind, None
    if kind is not None and kind not in RESOURCE_TYPES:
        raise Refusal(400, f"Unknown resource type: {kind}. Known are {', '.join(RESOURCE_TYPES)}.")
    if kind in (None, "ironic_node"):
        return kind, leases.node_named(session, ident) or ident
    return kind, ident
