"""The Automate model (spec automate 1): domains, classes, instances, methods, fields, and how they are found.

Built once by :mod:`tasks.switchboard.load` and never changed afterwards.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tasks.switchboard.errors import ClassNotFound, InstanceNotFound
from tasks.switchboard.text import fold

#: The instance that answers for those that nobody has (spec automate 2.2).
MISSING = ".missing"
#: The datatype that picks among alternatives (spec automate 2.3).
COALESCING = "null coalescing"
#: The name of an object that was built from a class alone.
DEFAULT = ".default"

#: A namespace's names and a class's name, folded: where a class is found.
ClassKey = tuple[tuple[str, ...], str]


@dataclass(frozen=True, slots=True)
class Value:
    """What an instance or a class gives for a field: the value itself, and what surrounds a step.

    ``line`` is where it stands in its file.
    """

    value: str | None = None
    collect: str | None = None
    on_entry: str | None = None
    on_exit: str | None = None
    on_error: str | None = None
    max_retries: str | None = None
    max_time: str | None = None
    line: int | None = field(default=None, compare=False)

    def over(self, below: Value, *, blank_counts: bool = False) -> Value:
        """This, where it says something, over what the class says (spec automate 1.5).

        A blank value says nothing, except that ``null coalescing`` takes blank text for a value (C23).
        """
        own = self.value if (blank_counts and self.value is not None) or not _blank(self.value) else below.value
        rest = ("collect", "on_entry", "on_exit", "on_error", "max_retries", "max_time")
        merged = {name: getattr(below if _blank(getattr(self, name)) else self, name) for name in rest}
        return Value(own, **merged)


#: Says nothing at all.
NOTHING = Value()


def _blank(text: str | None) -> bool:
    return text is None or not text.strip()


@dataclass(frozen=True)
class Field:
    """One field of a class's schema, or one input of a method (spec automate 1.4).

    ``messages`` is None where the field answers to every message.
    """

    name: str
    aetype: str | None
    default: Value = Value()
    datatype: str = "string"
    substitute: bool = True
    messages: frozenset[str] | None = frozenset({"create"})

    @cached_property
    def key(self) -> str:
        """The name as attributes and inputs are known by."""
        return fold(self.name)

    @cached_property
    def coalesces(self) -> bool:
        """Whether the value is the first of several alternatives that is not blank."""
        return fold(self.datatype).strip() == COALESCING

    def does(self, value: Value) -> bool:
        """Whether there is anything to do for the field: blank steps and a null attribute are passed by."""
        if self.aetype == "attribute":
            return value.value is not None or not _blank(value.collect)
        return self.aetype == "state" or (self.aetype is not None and not _blank(value.value))

    def answers(self, message: str) -> bool:
        """Whether the field runs for the (folded) message."""
        return self.messages is None or message in self.messages


@dataclass(frozen=True, slots=True)
class Instance:
    """Values for the fields of a class, by folded field name. Instances do not inherit (unlike A25)."""

    name: str
    values: Mapping[str, Value] = field(default_factory=dict)
    file: str = ""
    display_name: str | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True)
class Method:
    """A method: where its body is (``builtin``, ``inline``, ...) and which inputs it takes, in order.

    ``implementation`` is the folded name of the built-in that it stands for, or what a Python method names
    its code by; blank for a language that is not run.
    """

    name: str
    location: str
    implementation: str
    inputs: Sequence[Field] = ()
    scope: str = "instance"
    language: str = ""
    file: str = ""


@dataclass(frozen=True)
class Class:
    """A class: its fields in the order in which they are walked, its instances and methods by folded name."""

    namespace: tuple[str, ...]
    name: str
    fields: Sequence[Field] = ()
    instances: Mapping[str, Instance] = field(default_factory=dict)
    methods: Mapping[str, Method] = field(default_factory=dict)
    description: str | None = None
    file: str = ""

    @cached_property
    def key(self) -> ClassKey:
        """Where the class is found within its domain."""
        return tuple(map(fold, self.namespace)), fold(self.name)

    @cached_property
    def path(self) -> str:
        """The relative path, as it was written."""
        return "/".join((*self.namespace, self.name))

    @cached_property
    def _steps(self) -> dict[str | None, tuple[tuple[Field, Value], ...]]:
        return {}

    def steps(self, instance: Instance | None) -> tuple[tuple[Field, Value], ...]:
        """The fields that do something for an instance (None: the class alone), in order, with values."""
        name = instance.name if instance else None
        if name not in self._steps:
            own = instance.values if instance else {}
            pairs = ((f, own.get(f.key, NOTHING).over(f.default, blank_counts=f.coalesces)) for f in self.fields)
            self._steps[name] = tuple(pair for pair in pairs if pair[0].does(pair[1]))
        return self._steps[name]


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain: classes by their key. A disabled one is never looked into."""

    name: str
    priority: int
    enabled: bool = True
    classes: Mapping[ClassKey, Class] = field(default_factory=dict)
    description: str | None = None
    file: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """What an address led to. ``instance`` is None for a class alone; ``missing``: ``.missing`` stands in."""

    domain: Domain
    of: Class
    instance: Instance | None
    requested: str
    missing: bool = False


class Datastore:
    """The enabled domains, the highest priority first; domains of equal priority in the order of their names.

    ``last`` is a domain that stands below all others whatever its number: the shipped one.
    """

    def __init__(self, domains: Sequence[Domain], last: Domain | None = None, functions: Any = None) -> None:
        #: The code of Python methods (:class:`tasks.switchboard.python.Functions`), where there is any.
        self.functions = functions
        ordered = sorted(domains, key=lambda d: (-d.priority, fold(d.name)))
        self.all: tuple[Domain, ...] = (*ordered, *([last] if last else []))
        self.domains: tuple[Domain, ...] = tuple(d for d in self.all if d.enabled)
        self._by_name = {fold(d.name): d for d in self.domains}
        #: What is remembered of events that were resolved before; it lives as long as the datastore.
        self.recipes: OrderedDict[tuple[str, str, str], Any] = OrderedDict()
        self._holders: dict[ClassKey, list[tuple[Domain, Class]]] = {}
        for domain in self.domains:
            for key, found in domain.classes.items():
                self._holders.setdefault(key, []).append((domain, found))

    def find(self, path: Sequence[str], instance: str | None) -> Found:
        """The instance at a path, by overlay (spec automate 1.9), else ``.missing``; None asks for the class.

        Raises :class:`ClassNotFound` where no domain can be chosen, :class:`InstanceNotFound` where the
        path names a domain whose class has neither the instance nor ``.missing``.
        """
        if found := self._overlay(path, instance):
            return found
        domain = self._by_name.get(fold(path[0])) if path else None
        if domain is None:
            raise ClassNotFound(
                f"Class [{'/'.join(path)}] not found: no domain has it with this instance or a {MISSING}"
            )
        held = domain.classes.get(_key(path[1:])) if len(path) > 2 else None
        if held is None:
            raise ClassNotFound(f"Class [/{'/'.join(path)}] not found")
        if instance is None:
            return Found(domain, held, None, DEFAULT)
        if exact := held.instances.get(fold(instance)):
            return Found(domain, held, exact, instance)
        if missing := held.instances.get(MISSING):
            return Found(domain, held, missing, instance, missing=True)
        raise InstanceNotFound(f"Instance [/{'/'.join((*path, instance))}] not found")

    def _overlay(self, path: Sequence[str], instance: str | None) -> Found | None:
        holders = self._holders.get(_key(path), ()) if len(path) > 1 else ()
        if instance is not None:
            wanted = fold(instance)
            for domain, held in holders:
                if exact := held.instances.get(wanted):
                    return Found(domain, held, exact, instance)
        for domain, held in holders:
            if missing := held.instances.get(MISSING):
                if instance is None:
                    return Found(domain, held, None, DEFAULT)
                return Found(domain, held, missing, instance, missing=True)
        return None

    def matching(self, path: Sequence[str], start: str) -> list[tuple[Domain, Class, Instance]]:
        """All instances of one domain whose relative path begins with ``path`` and ``start`` (D21, D22).

        Sorted by path. The domain is the enabled one of highest priority that has any match.
        """
        prefix = [*map(fold, path), fold(start)]
        for domain in self.domains:
            matches = sorted(
                (
                    ((*key[0], key[1], name), held, instance)
                    for key, held in domain.classes.items()
                    for name, instance in held.instances.items()
                    if _begins((*key[0], key[1], name), prefix)
                ),
                key=lambda match: match[0],
            )
            if matches:
                return [(domain, held, instance) for _, held, instance in matches]
        return []

    def method(self, path: Sequence[str], name: str) -> tuple[Domain, Class, Method] | None:
        """The method of a class, overlaid on its own: the highest enabled domain's counts (A11, A12).

        A path that begins with a domain is overlaid as well, once that domain is known.
        """
        wanted = fold(name)
        for start in (0, 1) if path and fold(path[0]) in self._by_name else (0,):
            for domain, held in self._holders.get(_key(path[start:]), ()):
                if method := held.methods.get(wanted):
                    return domain, held, method
        return None

    def knows_class(self, path: Sequence[str]) -> bool:
        """Whether any enabled domain has the class, with or without its domain in the path."""
        named = bool(path) and fold(path[0]) in self._by_name
        return _key(path) in self._holders or (named and _key(path[1:]) in self._holders)

    def instances(self) -> Iterator[tuple[Domain, Class, Instance]]:
        """Every instance of every domain, disabled ones included: for listing."""
        for domain in self.all:
            for held in domain.classes.values():
                for instance in held.instances.values():
                    yield domain, held, instance


def _key(path: Sequence[str]) -> ClassKey:
    return tuple(map(fold, path[:-1])), fold(path[-1]) if path else ""


def _begins(whole: tuple[str, ...], prefix: list[str]) -> bool:
    last = len(prefix) - 1
    return len(whole) > last and list(whole[:last]) == prefix[:last] and whole[last].startswith(prefix[last])
