"""Relationships and method calls that lead nowhere: found when a site is checked, not when an event comes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tasks.site.contracts import Problem
from tasks.switchboard.address import DATASTORE, parse_address
from tasks.switchboard.datastore import Class, Datastore, Domain, Field, Found, Instance, Method, Value
from tasks.switchboard.errors import AutomateError
from tasks.switchboard.machine import METHOD_STEP
from tasks.switchboard.methods import find_method, parse_call
from tasks.switchboard.text import Filled, fold
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
    try:
        for kind, text in _leads(field, value):
            if not text or text.startswith("#") or "${" in text:
                continue
            if kind == "relationship":
                address = parse_address(Filled(text))
                if address.scheme in DATASTORE and not address.wildcard:
                    datastore.find(address.path, address.instance)
            else:
                caller = Object(found, "create")
                call = parse_call(Filled(text), caller)
                find_method(datastore, call.path, call.name, caller)
    except AutomateError as mistake:
        mend = "Check its spelling, or add what it names; an event that comes along here passes it by or ends"
        return Problem(file, value.line, f"{field.name} leads nowhere: {mistake}", mend, "warning")
    return None


def _leads(field: Field, value: Value) -> Iterator[tuple[str, str]]:
    """The addresses and calls of a field, a state's step and the methods around it among them."""
    text = (value.value or "").strip()
    if field.aetype in ("relationship", "method"):
        yield field.aetype, text
    elif field.aetype == "state":
        is_call = fold(text).startswith(METHOD_STEP)
        yield ("method", text[len(METHOD_STEP) :]) if is_call else ("relationship", text)
        for around in (value.on_entry, value.on_exit, value.on_error):
            for call in (around or "").split(";"):
                yield "method", call.strip()


def check_methods(datastore: Datastore, domains: Sequence[Domain]) -> list[Problem]:
    """Warn of methods whose code is not there, and of those in a language that is not run."""
    problems: list[Problem] = []
    for domain in domains if datastore.functions is not None else ():
        for held in domain.classes.values() if domain.enabled else ():
            for method in held.methods.values():
                chosen = datastore.method((*held.namespace, held.name), method.name)
                if method.location == "builtin" or chosen is None or chosen[2] is not method:
                    continue  # One of a domain above has taken its place.
                if problem := _check_method(datastore, f"/{domain.name}/{held.path}/{method.name}", method):
                    problems.append(problem)
    return problems


def _check_method(datastore: Datastore, address: str, method: Method) -> Problem | None:
    if method.language != "python":
        what = (
            f"{address} is a method in {method.language} ({method.location}), which is not run: a call passes as done"
        )
        mend = "Where it matters, write a Python method of the same name in a domain of higher priority"
        return Problem(method.file, None, what, mend, "warning")
    try:
        datastore.functions.find(method.implementation)
    except AutomateError as mistake:
        return Problem(
            method.file, None, f"{address} has no code: {mistake}", "A call of it ends the delivery", "error"
        )
    return None
