"""Objects that inventory knows, for tests of what the clock raises."""

from __future__ import annotations

from typing import Any

from tasks.ledger.inventory import KNOWN, InventoryObject
from tasks.ledger.session import Ledger
from tests.ground import START


def known(
    ledger: Ledger,
    cloud: int,
    ref: str,
    *,
    kind: str = "server",
    state: str = KNOWN,
    tenant_id: str | None = None,
    **attributes: Any,
) -> None:
    """Store an object as it would be after a read."""
    with ledger.transaction() as session:
        session.add(
            InventoryObject(
                provider_id=cloud,
                kind=kind,
                ref=ref,
                state=state,
                name=f"name of {ref}",
                tenant_id=tenant_id,
                attributes=attributes,
                seen_at=START,
                read_at=START,
            )
        )
