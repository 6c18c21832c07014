"""What Catchment does: the stages of an event's way, and what they stand on."""
