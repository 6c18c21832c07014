"""ManageIQ's actions in our words, with their parameters."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from tasks.expressions.actions import read_actions
from tasks.expressions.mistakes import Mistake
from workers.manageiq.items import Item
from workers.manageiq.report import Path, Report
from workers.manageiq.words import NO_COUNTERPART, NO_COUNTERPART_PREFIXES, REMARKS, SIMPLE, SNMP_TYPES

#: Where a trap of version 1 stands among the OIDs of version 2 (RFC 3584 3.1), below ManageIQ's enterprise.
_SPECIFIC = "1.3.6.1.4.1.33482.0"
_OBJECT = {"type": "${target.kind}", "ems": "${event.provider}", "name": "${target.name}"}


class Cause(NamedTuple):
    """On whose behalf an action is asked for: ``policy`` or ``alert``, its name, and what it says of it."""

    noun: str
    name: str
    word: str


class Made(NamedTuple):
    """One action of ours, and what is to be said of it."""

    word: str
    params: dict[str, Any]
    remark: str = ""


def action_name(item: Item) -> str:
    """The word by which ManageIQ runs an action: its name for the built-in ones, else its type."""
    kind = str(item.get("action_type") or "default")
    return str(item.get("name") or "") if kind.lower() == "default" else kind


class Actions:
    """Writes actions that the site knows; what cannot be written goes to the report."""

    def __init__(self, known: Mapping[str, Any], report: Report) -> None:
        self.known = known
        self.report = report

    def written(self, item: Item, kind: str | None, cause: Cause, path: Path) -> list[dict[str, Any] | str]:
        """One action of ManageIQ as actions of ours: none where it is left out."""
        name = action_name(item)
        options = item.get("options")
        make = _MAKERS.get(name)
        if make is not None:
            made = make(options if isinstance(options, dict) else {}, cause)
        elif name in SIMPLE:
            made = [Made(SIMPLE[name], {}, REMARKS.get(name, ""))]
        else:
            self.report.left_out(path, _reason(name))
            return []
        if not made:
            self.report.left_out(path, "its options say nothing that could be done")
        return [one for found in made if (one := self.checked(found, kind, path)) is not None]

    def checked(self, made: Made, kind: str | None, path: Path) -> dict[str, Any] | str | None:
        """An action as the site takes it; None, and a line of the report, where it does not."""
        action = self.known.get(made.word)
        if action is None:
            self.report.left_out(path, f"it would be the action {made.word}, which this installation does not have")
            return None
        fields = action.params.model_fields
        params = {key: value for key, value in made.params.items() if key in fields}
        dropped = sorted(made.params.keys() - params.keys())
        if made.params and not params:
            self.report.left_out(path, f"{made.word} has no {', '.join(dropped)}")
            return None
        mistakes: list[Mistake] = []
        one: dict[str, Any] | str = {made.word: params} if params else made.word
        read_actions([one], (), self.known, kind, mistakes)
        wrong = [mistake for mistake in mistakes if mistake.severity == "error"]
        if wrong:
            self.report.left_out(path, "; ".join(f"{mistake.what}. {mistake.advice}" for mistake in wrong))
            return None
        if dropped:
            self.report.changed(path, f"{made.word} has no {', '.join(dropped)}: left away")
        if made.remark:
            self.report.changed(path, made.remark)
        return one


def _reason(name: str) -> str:
    for prefix, reason in NO_COUNTERPART_PREFIXES.items():
        if name.startswith(prefix):
            return reason
    return NO_COUNTERPART.get(name, f"no action here does what {name or 'an action without a name'} does")


def plain_text(value: object) -> str:
    """A text of an export that stands where ours have placeholders: it has none."""
    return " ".join(str(value).split()).replace("${", "$ {")[:500]


def _log(_options: Item, cause: Cause) -> list[Made]:
    message = f"{plain_text(cause.name)}: {cause.word} on ${{target.kind}} ${{target.name}}"
    return [Made("log", {"message": message, "level": "info" if cause.word == "succeeded" else "warning"})]


def _mail(options: Item, cause: Cause) -> list[Made]:
    to = options.get("to")
    addresses = to if isinstance(to, list) else re.split(r"[,;\s]+", str(to or ""))
    addresses = [str(address) for address in addresses if address]
    if not addresses:
        return []
    subject = f"{cause.noun.capitalize()} {cause.word}: {plain_text(cause.name)}, for ${{target.kind}} ${{target.name}}"
    body = "${event.event_type} on ${target.kind} ${target.name} (${target.id}) of ${event.provider}"
    remark = "the sender is that of catchment.toml" if options.get("from") else ""
    return [Made("mail", {"to": addresses, "subject": subject, "body": body}, remark)]


def _trap(options: Item, cause: Cause) -> list[Made]:
    hosts = options.get("host")
    params: dict[str, Any] = {"version": "v2c", "community": "${env:SNMP_COMMUNITY}"}
    oid = str(options.get("trap_id") or "")
    if oid:
        params["trap_oid"] = f"{_SPECIFIC}.{oid}" if oid.isascii() and oid.isdigit() else oid
    variables = options.get("variables")
    listed = [one for one in variables if isinstance(one, dict)] if isinstance(variables, list) else []
    bound = [_variable(one, cause) for one in listed if one.get("oid") and one.get("var_type") != "Null"]
    if bound:
        params["variables"] = bound
    remark = "sent by SNMPv2c; its community is read from the environment as SNMP_COMMUNITY"
    return [Made("snmp_trap", {"host": str(host), **params}, remark) for host in _many(hosts)]


def _variable(one: Item, cause: Cause) -> dict[str, Any]:
    type_ = str(one.get("var_type") or "OctetString")
    pieces = re.split(r"(\$\{[^}]*\})", str(one.get("value") or ""))
    value = "".join(_filled(piece, cause) if piece.startswith("${") else piece for piece in pieces)
    return {"oid": str(one["oid"]), "type": SNMP_TYPES.get(type_, type_), "value": value}


def _filled(place: str, cause: Cause) -> str:
    """ManageIQ's place in a variable as ours; an attribute that is not known stays empty, as it does there."""
    word = place[2:-1]
    if word == "Cause.Description":
        return f"{cause.noun.capitalize()}: {plain_text(cause.name)}"
    return _OBJECT.get(word.removeprefix("Object."), "") if word.startswith("Object.") else ""


def _automation(options: Item, _cause: Cause) -> list[Made]:
    """Call_Instance names the instance among its attributes; any other request is an instance itself (4.4)."""
    request = str(options.get("ae_request") or "").strip("/ ")
    given = options.get("ae_hash")
    attrs: dict[str, Any] = _named(given) if isinstance(given, dict) else {}
    if not request:
        return []
    message = str(options.get("ae_message") or "create")
    if request.lower() in ("call_instance", "call_instance_with_message"):
        place = "/".join(str(attrs.pop(key, "")).strip("/") for key in ("namespace", "class", "instance"))
        asked = str(attrs.pop("message", "create"))
        message = asked if request.lower().endswith("message") else "create"
    else:
        place = f"System/Request/{request}"
    params = {"instance": f"/{place.strip('/')}", **({} if message == "create" else {"message": message})}
    return [Made("automate", {**params, **({"attrs": attrs} if attrs else {})}, "it runs as a request, which is kept")]


def _named(value: Any) -> Any:
    """The same with texts for keys, as JSON has them."""
    if isinstance(value, dict):
        return {str(key): _named(part) for key, part in value.items()}
    return [_named(part) for part in value] if isinstance(value, list) else value


def _script(options: Item, _cause: Cause) -> list[Made]:
    name = str(options.get("filename") or "").replace("\\", "/").rsplit("/", 1)[-1]
    if not name or name.startswith("."):
        return []
    remark = f"put the program into scripts/{name}: it gets the event as JSON, and every end but 0 is tried again"
    return [Made("script", {"command": [f"scripts/{name}"]}, remark)]


def _tag(options: Item, _cause: Cause) -> list[Made]:
    """nova's tags have no slash; conditions on tags read ``category=entry`` as well."""
    remark = "nova's tags have no slash: the tag is category=entry"
    tags = [str(tag).removeprefix("/managed/").replace("/", "=", 1) for tag in _many(options.get("tags"))]
    return [Made("add_server_tag", {"tag": tag}, remark) for tag in tags]


def _metadata(options: Item, _cause: Cause) -> list[Made]:
    name = str(options.get("attribute") or "")
    value = plain_text(options.get("value") or "")
    return [Made("set_server_metadata", {"metadata": {name: value}}, "custom fields are metadata")] if name else []


def _mark(_options: Item, cause: Cause) -> list[Made]:
    return [Made("timeline_mark", {"text": f"{cause.noun.capitalize()}: {plain_text(cause.name)}"})]


def _every_snapshot(_options: Item, _cause: Cause) -> list[Made]:
    remark = "those of the last minute stay"
    return [Made("delete_snapshots", {"older_than": "1m", "made_by": "anyone"}, remark)]


def _old_snapshots(options: Item, _cause: Cause) -> list[Made]:
    age = options.get("age")
    if not isinstance(age, int) or age <= 0:
        return []
    return [Made("delete_snapshots", {"older_than": f"{-(-age // 60)}m", "made_by": "anyone"})]


def _snapshot(options: Item, _cause: Cause) -> list[Made]:
    return [Made("snapshot_server", {key: plain_text(options[key]) for key in ("name",) if options.get(key)})]


def _many(value: Any) -> list[Any]:
    if isinstance(value, list):
        return [one for one in value if one]
    return [value] if value else []


_MAKERS: Mapping[str, Callable[[Item, Cause], list[Made]]] = {
    "log": _log,
    "audit": _log,
    "email": _mail,
    "snmp_trap": _trap,
    "custom_automation": _automation,
    "script": _script,
    "tag": _tag,
    "set_custom_attribute": _metadata,
    "evm_event": _mark,
    "create_snapshot": _snapshot,
    "delete_all_snapshots": _every_snapshot,
    "delete_snapshots_by_age": _old_snapshots,
}
