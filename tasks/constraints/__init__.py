"""Constraints over facts: how they are written in XML, checked and judged."""
