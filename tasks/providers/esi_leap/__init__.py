"""ESI Leap: leases of bare-metal nodes, by way of the message bus or of the service's own event history."""
