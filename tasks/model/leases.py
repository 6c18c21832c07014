"""What a lease of ESI Leap is made of: the fields that its API gives, in its order (spec esi 3)."""

from __future__ import annotations

FIELDS = (
    "name", "uuid", "project_id", "project", "owner_id", "owner", "resource_type", "resource_uuid", "resource_class",
    "resource_properties", "resource", "start_time", "fulfill_time", "expire_time", "end_time", "status", "properties",
    "purpose", "offer_uuid", "parent_lease_uuid",
)  # fmt: skip
