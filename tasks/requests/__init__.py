"""Requests: what somebody asked for, and somebody may have to approve."""
