"""OpenStack: notification bus, event APIs, converter and inventory reader."""
