"""What becomes of a method call: refresh targets, raised events, the wish to ask the policies.

The engine only records calls; this table, by the name of the built-in, puts them into the outcome.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from tasks.conveyor.wanted import FULL, all_of
from tasks.model.event import ESI_LEAP, INTERNAL, MARK_SOURCE, TIMELINE_MARK, Event, ObjectRef
from tasks.model.outcome import Ask, Finding, Move, Outcome, Petition, Plan, Raise
from tasks.switchboard.builtin import EVERYTHING_WORDS, plain_word
from tasks.switchboard.node_power import raise_power
from tasks.switchboard.result import Result
from tasks.switchboard.text import bounded, text_of
from tasks.switchboard.workspace import Call

_OPENSTACK = frozenset(
    {"project", "user", "keypair", "flavor", "image"}
    | {"network", "subnet", "router", "security_group", "port", "floatingip"}
    | {"volume", "snapshot", "backup"}
    | {"availability_zone", "aggregate", "host", "node", "server_group", "server", "stack"}
)
#: Kinds of objects that an inventory reader can read one at a time, by the source of the event.
REFRESHABLE: Mapping[str, frozenset[str]] = {
    "OPENSTACK": _OPENSTACK,
    "RHEVM": frozenset({"data_center", "cluster", "host", "storage_domain", "disk", "network", "template", "server"}),
    ESI_LEAP: frozenset({"lease", "offer", "node"}),
}
#: What a raised event may name: the source of its cause is not told, and kinds of the one are absent in the other.
_ANYWHERE = frozenset().union(*REFRESHABLE.values())

#: Kinds whose events may come without an id, by telemetry or for many objects at once (spec capture 5.2): all
#: objects of the kind are read then. Word for a kind that has no objects of its own: that of which they are part.
NAMELESS: Mapping[str, str] = {
    **{kind: kind for kind in _OPENSTACK - {"server", "host", "flavor", "volume", "availability_zone"}},
    "security_group_rule": "security_group",
}

#: Which parents an event changes besides its own object, by the beginning of its type (spec capture 5.1).
RELATED: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("compute.instance.volume.", ("volume",)),
    ("volume.attach", ("server",)),
    ("volume.detach", ("server",)),
    ("snapshot.", ("volume",)),
    ("backup.", ("volume",)),
    ("subnet.", ("network",)),
    ("router.interface.", ("port",)),
    ("security_group_rule.", ("security_group",)),
    ("aggregate.addhost", ("host",)),
    ("aggregate.removehost", ("host",)),
    ("orchestration.stack.", ("stack",)),
    ("esi_leap.lease.", ("node", "offer")),
)

#: What an oVirt event has read besides its own object, where it is linked to it (spec capture 5.1).
_LINKED = ("server", "template", "cluster")

#: The rule that mails of the built-in method are asked for by.
MAIL_RULE = "/$/Object/send_email"

#: Nodes of the other sorts that ESI Leap leases stand in no list of nodes.
_IRONIC = "ironic_node"

_RELATED_TYPES = tuple(prefix for prefix, _ in RELATED)

#: Where a role falls back to when the event names no such object (spec automate 4.4).
_FALLBACKS: Mapping[str, tuple[str, ...]] = {
    "src_vm": ("src_vm", "src_host"),
    "dest_vm": ("dest_vm", "dest_host"),
    "src_vm_or_dest_host": ("src_vm", "dest_host"),
}


#: Puts a call's inputs and its event into the outcome and the plan.
Consequence = Callable[[Mapping[str, Any], Event, Outcome, Plan], Result]


class Prepared(NamedTuple):
    """A call with what can be told of it before the event is known."""

    method: str
    inputs: Mapping[str, Any]
    shown: dict[str, Any]
    consequence: Consequence


def prepare(call: Call) -> Prepared:
    """Look a call up in the table. Raises ``KeyError`` for a built-in that does not exist."""
    shown: dict[str, Any] = {"of": call.of}
    if call.inputs:
        shown["inputs"] = {name: _plain(value) for name, value in call.inputs.items()}
    if call.language == "python":
        return Prepared(call.method, call.inputs, {**shown, "language": "python"}, _granting(tuple(call.wishes)))
    if call.location != "builtin":
        shown["location"] = call.location
        return Prepared(call.method, call.inputs, shown, _foreign)
    return Prepared(call.method, call.inputs, shown, CONSEQUENCES[call.implementation])


def carry_out(call: Prepared, event: Event, outcome: Outcome, plan: Plan) -> Finding:
    """Put one call into the outcome, and tell of it."""
    result = call.consequence(call.inputs, event, outcome, plan)
    return Finding("method", call.method, result.verdict, {**call.shown, **result.detail})


def _plain(value: Any) -> Any:
    return value if isinstance(value, bool | int | float) else bounded(text_of(value))


def _aim(refs: list[ObjectRef], plan: Plan) -> Result:
    plan.targets.extend(ref for ref in refs if ref not in plan.targets)
    return Result("done", {"targets": [str(ref) for ref in refs]})


def _refresh(_: Mapping[str, Any], event: Event, __: Outcome, plan: Plan) -> Result:
    refs = [ref for ref in _concerned(event) if _is_read(event, ref)]
    if refs:
        return _aim(refs, plan)
    facts, own = event.facts, event.target()
    whole = NAMELESS.get(facts.resource_kind or "")
    if whole and facts.phase != "start" and (own is None or whole != own.kind):
        return _aim([all_of(whole)], plan)
    reason = f"objects of the kind {own.kind} are not read one at a time" if own else "the event names no object"
    return Result("skipped", {"reason": reason})


def _is_read(event: Event, ref: ObjectRef) -> bool:
    """Whether the reader of the event's provider can read the object by itself."""
    if ref.kind == "node" and event.facts.details.get("resource_type") not in (None, _IRONIC):
        return False
    return ref.kind in REFRESHABLE.get(event.source, _ANYWHERE)


def _concerned(event: Event) -> Iterator[ObjectRef]:
    own = event.target()
    if own is not None:
        yield own
    if event.source == "RHEVM":
        # An engine's event names all that it changes as links; hosts and storage are read by their own types.
        yield from (ObjectRef(kind, ref) for kind in _LINKED if (ref := event.facts.parents.get(kind)))
        return
    if event.event_type.startswith(_RELATED_TYPES):
        parents = event.facts.parents
        for prefix, kinds in RELATED:
            if event.event_type.startswith(prefix):
                yield from (ObjectRef(kind, parents[kind]) for kind in kinds if parents.get(kind))


def _refresh_role(inputs: Mapping[str, Any], event: Event, _: Outcome, plan: Plan) -> Result:
    word = plain_word(text_of(inputs.get("target")))
    if word in EVERYTHING_WORDS:
        return _aim([FULL], plan)
    roles = _FALLBACKS.get(word, (word,))
    ref = next((found for role in roles if (found := event.role(role))), None)
    if ref is None:
        return Result("skipped", {"reason": f"the event names no {bounded(word) or 'target'}"})
    if not _is_read(event, ref):
        return Result("skipped", {"reason": f"objects of the kind {ref.kind} are not read one at a time"})
    return _aim([ref], plan)


def _refresh_server(_: Mapping[str, Any], event: Event, outcome: Outcome, plan: Plan) -> Result:
    return _refresh_role({"target": "src_vm"}, event, outcome, plan)


def _raise_policy(inputs: Mapping[str, Any], event: Event, outcome: Outcome, _: Plan) -> Result:
    word, name = (
        plain_word(text_of(inputs.get("target"))),
        bounded(text_of(inputs.get("policy_event")).strip()),
    )
    if event.provider == INTERNAL:
        return Result("skipped", {"reason": "the event comes from no provider"})
    target = event.role(word)
    if target is None:
        return Result("skipped", {"reason": f"the event names no {bounded(word) or 'target'}"})
    if not name:
        return Result("skipped", {"reason": "policy_event is blank"})
    param = plain_word(text_of(inputs.get("param")))
    source = event.role(param) if param else None
    if param and source is None:
        return Result("skipped", {"reason": f"the event names no {bounded(param)}, whose policies are to be asked"})
    outcome.raises.append(Raise(name, target, {"policy_source": [source.kind, source.id]} if source else {}))
    return Result("raised", {"event": name, "on": str(target)})


def _mark_import(_: Mapping[str, Any], event: Event, outcome: Outcome, __: Plan) -> Result:
    """Mark how an import ended among the machine's events (spec capture 8.0): inventory is what the engine says."""
    machine = event.role("src_vm")
    if machine is None:
        return Result("skipped", {"reason": "the event names no src_vm"})
    status = "failure" if event.event_type.endswith("_FAILED") else "success"
    told = {"text": f"import_status: {status}", "import_status": status}
    outcome.raises.append(Raise(TIMELINE_MARK, machine, told, MARK_SOURCE))
    return Result("raised", {"import_status": status, "on": str(machine)})


def _enforce(_: Mapping[str, Any], __: Event, ___: Outcome, plan: Plan) -> Result:
    plan.enforce = True
    return Result("done", {})


def _nothing(_: Mapping[str, Any], __: Event, ___: Outcome, ____: Plan) -> Result:
    return Result("done", {})


def _foreign(_: Mapping[str, Any], __: Event, ___: Outcome, ____: Plan) -> Result:
    return Result("skipped", {"reason": "a method in this language is not run"})


def _granting(wishes: tuple[Any, ...]) -> Consequence:
    """What a Python method asked for, put into the outcome."""

    def grant(_: Mapping[str, Any], __: Event, outcome: Outcome, plan: Plan) -> Result:
        told: list[str] = []
        for wish in wishes:
            if isinstance(wish, ObjectRef):
                _aim([wish], plan)
                told.append(f"refresh {wish}")
                continue
            place, word = _WISHES[type(wish)]
            getattr(outcome, place).append(wish)
            told.append(f"{word} {_named(wish)}")
        return Result("done", {"asked for": told} if told else {})

    return grant


#: Where each kind of wish goes in the outcome, and the word by which it is told of.
_WISHES: Mapping[type, tuple[str, str]] = {
    Raise: ("raises", "raise"),
    Ask: ("asks", "ask for"),
    Petition: ("petitions", "request"),
    Move: ("moves", "request:"),
}


def _named(wish: Any) -> str:
    names = (getattr(wish, name, None) for name in ("event_type", "action", "request_type", "word"))
    return bounded(next(str(name) for name in names if name))


def _send_mail(inputs: Mapping[str, Any], _: Event, outcome: Outcome, __: Plan) -> Result:
    """Ask for a mail. The sender is that of the installation, which alone its mail server takes."""
    to, copies, hidden = (
        [a for a in text_of(inputs.get(name)).split(",") if a.strip()] for name in ("to", "cc", "bcc")
    )
    if not to:
        return Result("skipped", {"reason": "the mail has nobody to go to"})
    params = {
        "to": [address.strip() for address in to],
        "cc": [address.strip() for address in copies],
        "subject": bounded(text_of(inputs.get("subject"))) or "(no subject)",
        "body": bounded(text_of(inputs.get("body")), 10_000),
    }
    ordinal = sum(ask.rule == MAIL_RULE for ask in outcome.asks)
    outcome.asks.append(Ask("mail", MAIL_RULE, params, None, ordinal))
    left_out = {"reason": "hidden copies are not sent"} if hidden else {}
    return Result("asked", {"to": len(to), **left_out})


def _unavailable(_: Mapping[str, Any], __: Event, ___: Outcome, ____: Plan) -> Result:
    return Result("skipped", {"reason": "this built-in is not carried out by this version"})


CONSEQUENCES: Mapping[str, Consequence] = {
    # Inventory holds what the provider says and nothing else: a state is read, never written.
    "change_event_target_state": _refresh_role,
    "check_policy_prevent": _nothing,
    "event_action_policy": _raise_policy,
    "event_action_refresh": _refresh_role,
    "event_action_refresh_sync": _refresh_role,
    # There is nothing to look into a machine with: what is known of it is read again.
    "event_action_scan": _refresh_role,
    "event_enforce_policy": _enforce,
    "host_and_storage_least_utilized": _unavailable,
    "log_object": _nothing,
    "log_workspace": _nothing,
    "node_power_policy": raise_power,
    "parse_automation_request": _nothing,
    "parse_event_stream": _nothing,
    "parse_provider_category": _nothing,
    "refresh": _refresh,
    "refresh_sync": _refresh,
    "send_email": _send_mail,
    "snmp_trap_v1": _unavailable,
    "snmp_trap_v2": _unavailable,
    "src_vm_as_template": _refresh_server,
    "src_vm_destroy_all_snapshots": _refresh_server,
    "src_vm_disconnect_storage": _nothing,
    "update_vm_import_status": _mark_import,
}
