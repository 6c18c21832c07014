"""A simulated ESI Leap service: leases that begin and end, its API, and the messages that it publishes."""
