"""ESI Leap's API for tenants: the event history and leases, read-only, for the stock client (spec esi 3 and 4)."""
