"""The stage that turns a notification into an event."""
