"""A simulated oVirt engine that speaks its REST API v4 in JSON on one loopback port."""
