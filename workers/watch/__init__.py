"""Watching an event history: a command for each new event once, whatever is killed when."""
