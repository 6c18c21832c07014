"""Condition trees, their operators, and the facts that they look at."""
