"""Method calls (spec automate 4.1, 4.2): their text, which method is meant, and its inputs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from tasks.model.outcome import Finding
from tasks.switchboard.builtin import OK, STOP, WARN
from tasks.switchboard.datastore import Datastore, Field, Method, Value
from tasks.switchboard.datatypes import convert
from tasks.switchboard.errors import (
    AbortInstantiation,
    InvalidMethod,
    MethodNotFound,
    MethodParmMissing,
    StopInstantiation,
)
from tasks.switchboard.substitute import Side, coalesce, substitute
from tasks.switchboard.text import Filled, bounded, fold
from tasks.switchboard.workspace import Call, Object


class Run(Side, Protocol):
    """The run that a method is called in, as far as a method may use it."""

    def instantiate(self, uri: str, parent: Object) -> Object | None:
        """Build an address below an object; None where it leads to nothing. Raises as a relationship does."""


#: Carries out a call; returns its exit code.
Runner = Callable[[Call, Object, Run], int]

_CALL = re.compile(r"\s*([A-Za-z0-9_./]+)\s*(?:\((.*)\))?\s*", re.DOTALL)
_ARGUMENT = re.compile(
    r"""([A-Za-z0-9_]+)\s*=>\s*(?:'([^']+)'|"([^"]+)"|([0-9]{1,300})(?![A-Za-z0-9_])|([A-Za-z0-9_]+))"""
)

#: Methods that every object has (spec automate 1.8); all are built in.
BASE = "$/Object"
_MAIL = (
    *(Field(name, None) for name in ("to", "from", "subject", "body")),
    *(Field(name, None, Value("")) for name in ("cc", "bcc")),
)
BASE_METHODS: Mapping[str, Method] = {
    "log_object": Method("log_object", "builtin", "log_object"),
    "log_workspace": Method("log_workspace", "builtin", "log_workspace"),
    "send_email": Method("send_email", "builtin", "send_email", _MAIL),
}


class CallText(NamedTuple):
    """A call, taken apart: the class's path (empty: the object's own), the method, the arguments."""

    path: tuple[str, ...]
    name: str
    arguments: Mapping[str, Any]


def is_call(text: str) -> bool:
    """Whether literal text can be a method call."""
    match = _CALL.fullmatch(text)
    if match is None or match[1].count(".") > 1:
        return False
    name = match[1].rpartition(".")[2]
    return bool(name) and "/" not in name


def parse_call(filled: Filled, current: Object) -> CallText:
    """Read ``name``, ``Class.name`` or ``[Dom/]NS/Class.name`` with ``(key => value, ...)``.

    A value is a number, quoted text, or the name of an attribute of the current object (E02).

    Raises :class:`InvalidMethod`.
    """
    match = _CALL.fullmatch(filled.text)
    if match is None or match[1].count(".") > 1:
        raise InvalidMethod(f"[{bounded(filled.whole())}] is no method call: write name, or Class.name(key => 'value')")
    where, _, name = match[1].rpartition(".")
    if not name or "/" in name:
        raise InvalidMethod(f"[{bounded(filled.whole())}] names no method after its class: write Namespace/Class.name")
    path = tuple(part for part in where.split("/") if part)
    arguments: dict[str, Any] = {}
    for key, single, double, digits, word in _ARGUMENT.findall(match[2] or ""):
        quoted = single or double
        arguments[fold(key)] = filled.restore(quoted) if quoted else int(digits) if digits else current.get(word)
    return CallText((*current.found.of.namespace, *path) if len(path) == 1 else path, name, arguments)


def find_method(datastore: Datastore, path: Sequence[str], name: str, current: Object) -> tuple[str, Method]:
    """The full address of a method, and the method: overlaid by domain, then the base methods (E08, E11).

    Raises :class:`MethodNotFound`.
    """
    own = current.found.of
    if found := datastore.method(path or (*own.namespace, own.name), name):
        domain, held, method = found
        return f"/{domain.name}/{held.path}/{method.name}", method
    if not path and (base := BASE_METHODS.get(fold(name))):
        return f"/{BASE}/{base.name}", base
    raise MethodNotFound(f"Method [{'/'.join(path) or own.path}.{name}] not found")


def gather_inputs(method: Method, arguments: Mapping[str, Any], current: Object, run: Side) -> dict[str, Any]:
    """The inputs of a call: argument, else the object's attribute, else the default; converted (E01 to E06).

    An attribute that was taken is converted in place, unless the datatype is ``string``. A real
    ``false`` is a value (unlike the original, E23).

    Raises :class:`MethodParmMissing` for an input that nothing gives.
    """
    inputs: dict[str, Any] = {}
    for declared in method.inputs:
        value, taken = arguments.get(declared.key), False
        if value is None:
            value = current.get(declared.name)
            taken = value is not None
        if value is None:
            value = _default(declared, current, run)
        if value is None:
            raise MethodParmMissing(f"Method [{method.name}] needs the input [{declared.name}], which nothing gives")
        inputs[declared.name] = converted = convert(declared.datatype, value, run.workspace.lookup)
        if taken and fold(declared.datatype) != "string":
            current.set(declared.name, converted)
    return inputs


def _default(declared: Field, current: Object, run: Side) -> str | None:
    text = declared.default.value
    if text is None or not declared.substitute:
        return text
    if declared.coalesces:
        return coalesce(text, current, run)
    return substitute(text, current, run).whole()


def invoke(
    filled: Filled,
    current: Object,
    arguments: Mapping[str, Any],
    *,
    datastore: Datastore,
    run: Run,
    runner: Runner | None,
) -> int:
    """Call a method from its text and further arguments; returns its exit code (spec automate 4.8).

    The call is recorded before it is carried out. Without a runner inputs are resolved and nothing is
    called (E18).

    Raises :class:`StopInstantiation` and :class:`AbortInstantiation` as the exit code says; a built-in
    that stops ends the delivery (E17). Also what finding the method and its inputs raises.
    """
    text = parse_call(filled, current)
    address, method = find_method(datastore, text.path, text.name, current)
    inputs = gather_inputs(method, {**text.arguments, **arguments}, current, run)
    if runner is None:
        reason = {"reason": "methods are not called in this run"}
        run.workspace.note(Finding("method", address, "skipped", reason))
        return OK
    call = Call(address, method.location, method.implementation, inputs, current.path, method.language)
    run.workspace.record(call)
    code = runner(call, current, run)
    if code == STOP and method.location != "builtin":
        raise StopInstantiation(f"[{address}] stopped its object")
    if code not in (OK, WARN):
        raise AbortInstantiation(f"[{address}] ended the delivery with the code {code}")
    return code
