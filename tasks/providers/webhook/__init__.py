"""Providers of which nothing is asked: they push CloudEvents."""
