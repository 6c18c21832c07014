"""Monitors, converters and inventory readers of each kind of provider, and their table."""
