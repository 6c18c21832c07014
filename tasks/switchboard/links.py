"""Relationships and method calls that lead nowhere: found when a site is checked, not when an event comes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tasks.site.contracts import Problem
from tasks.switchboard.address import DATASTORE, parse_address
from tasks.switchboard.datastore import Class, Datastore, Domain, Field, Found, Instance, Value
from tasks.switchboard.errors import AutomateError
from tasks.switchboard.methods import find_method, parse_call
from tasks.switchboard.text import Filled
from tasks.switchboard.workspace import Object


def check_links(datastore: Datastore, domains: Sequence[Domain]) -> list[Problem]:
    """Warn of each address and call without ``${...}`` that finds nothing in the enabled domains."""
    return [
        problem
        for domain in domains
        if domain.enabled
        for held in domain.classes.values()
        for instance, file, field, value in _values(held)
        if (problem := _check(datastore, Found(domain, held, instance, ""), file, field, value))
    ]


def _values(held: Class) -> Iterator[tuple[Instance | None, str, Field, Value]]:
    for field in held.fields:
        yield None, held.file, field, field.default
        for instance in held.instances.values():
            if field.key in instance.values:
                yield instance, instance.file, field, instance.values[field.key]


def _check(datastore: Datastore, found: Found, file: str, field: Field, value: Value) -> Problem | None:
    text = (value.value or "").strip()
    if not text or text.startswith("#") or "${" in text:
        return None
    try:
        if field.aetype == "relationship":
            address = parse_address(Filled(text))
            if address.scheme in DATASTORE and not address.wildcard:
                datastore.find(address.path, address.instance)
        elif field.aetype == "method":
            caller = Object(found, "create")
            call = parse_call(Filled(text), caller)
            find_method(datastore, call.path, call.name, caller)
    except AutomateError as mistake:
        mend = "Check its spelling, or add what it names; an event that comes along here passes it by or ends"
        return Problem(file, value.line, f"{field.name} leads nowhere: {mistake}", mend, "warning")
    return None
