"""ManageIQ's expressions as conditions of ours: kept as they are where our reader takes them."""

from __future__ import annotations

from typing import Any

from tasks.expressions.atoms import IGNORED
from tasks.expressions.reader import compile_expression
from workers.manageiq.kit import Kit
from workers.manageiq.report import Path

#: What ``include`` of a whole-condition tag form means: the group that its tags stand in.
_INCLUDE = {"any": "or", "all": "and", "none": "none"}


class Unreadable(Exception):
    """An expression that could not be taken over; the report says why."""


def condition(written: Any, kind: str, path: Path, kit: Kit, *, deny: bool = False) -> Any:
    """An expression as a condition of ours; None where there is none.

    ``deny`` is the modifier of old conditions, which turns the expression round (spec policy-alerts 2.11).
    Raises :class:`Unreadable` after the report was told of every comparison that cannot be read.
    """
    tree = written
    while isinstance(tree, dict) and "exp" in tree:
        tree = tree["exp"]
    if tree in (None, {}, [], ""):
        return None
    tree = _without_bookkeeping(_of_tags(tree))
    if deny:
        tree = {"not": tree}
        kit.report.changed(path, "the old modifier deny: the expression is turned round by `not`")
    expression, mistakes = compile_expression(tree, kind=kind)
    for mistake in mistakes:
        place = (*path, ".".join(map(str, mistake.at))) if mistake.at else path
        tell = kit.report.left_out if mistake.severity == "error" else kit.report.changed
        tell(place, f"{mistake.what}. {mistake.advice}")
    if expression is None:
        raise Unreadable
    return tree


def _of_tags(tree: Any) -> Any:
    """The old whole-condition form of tags: ``mode: tag`` with a list of ``category/entry`` (3.1)."""
    if not isinstance(tree, dict) or tree.get("mode") != "tag" or not isinstance(tree.get("tag"), str):
        return tree
    group = _INCLUDE.get(str(tree.get("include", "any")))
    pairs = [tag.strip("/").partition("/") for tag in tree["tag"].split()]
    if group is None or not pairs or not all(entry for _, _, entry in pairs):
        return tree
    return {group: [{"CONTAINS": {"tag": f"managed-{category}", "value": entry}} for category, _, entry in pairs]}


def _without_bookkeeping(tree: Any) -> Any:
    if isinstance(tree, dict):
        kept = {key: part for key, part in tree.items() if str(key).lower() not in IGNORED}
        return {key: _without_bookkeeping(part) for key, part in kept.items()}
    return [_without_bookkeeping(part) for part in tree] if isinstance(tree, list) else tree
