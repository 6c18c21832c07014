"""Reads FIND, in the form that people write and in ManageIQ's (spec policy-alerts 3.1, 3.4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.expressions.atoms import IGNORED, OPERANDS, Atoms
from tasks.expressions.members import CHECKS, COUNT, Find
from tasks.expressions.mistakes import At, BadText, shown
from tasks.expressions.operators import operator_named
from tasks.expressions.paths import ITSELF, KEPT, FieldPath, read_key, read_member, read_path
from tasks.expressions.tree import Node

#: The operators that may compare the number of members that are kept (check 51).
COUNTING = ("=", "!=", "<", "<=", ">", ">=")


class FindReader(Atoms):
    """Reads comparisons, and searches through lists."""

    def find(self, value: object, at: At) -> Node | None:
        """A search and the one check on what it keeps; None where it is wrong, with the mistakes noted."""
        if not isinstance(value, Mapping):
            return self.wrong(at, "find needs a mapping below it", _FORM)
        words = {str(key).lower(): key for key in value if str(key).lower() not in IGNORED}
        for word in words.keys() - {"in", "search", *CHECKS}:
            self.wrong((*at, words[word]), f"{shown(word)} is no part of find", _FORM)
        checks = [word for word in CHECKS if word in words]
        if len(checks) != 1:
            return self.wrong(at, f"find has {len(checks)} checks and needs exactly one", _FORM)
        named = checks[0]
        written = {word: value[words[word]] for word in ("search", named) if word in words}
        if "in" in words:
            return self._in(value[words["in"]], named, written, at)
        return self._stored_find(named, written, at)

    def _in(self, place: object, named: str, written: Mapping[str, Any], at: At) -> Node | None:
        """``{in: server.addresses, search: {starts with: "10."}, checkany: {ends with: ".1"}}``."""
        path: FieldPath | None = None
        try:
            path = read_key(place) if self.keyed else read_path(place, self.kind)
        except BadText as mistake:
            self.mistakes.append(mistake.at(*at, "in"))
        search = self._of_member(written["search"], (*at, "search"), False) if "search" in written else None
        check = self._of_member(written[named], (*at, named), named == COUNT)
        if path is None or check is None or ("search" in written and search is None):
            return None
        return Find(path, search, named, check, written, self.strict)

    def _of_member(self, tree: object, at: At, counting: bool) -> Node | None:
        """``{field: size, ">": 3}`` of a member, or ``{">": 3}`` of a member that is a text or number itself."""
        if not isinstance(tree, Mapping) or not tree:
            return self.wrong(at, f"{shown(tree)} is no comparison", _FORM)
        keys = [key for key in tree if str(key).lower() not in IGNORED]
        path: FieldPath | None = KEPT if counting else ITSELF
        for key in keys:
            if key == "field" and not counting:
                path = self._key(tree[key], (*at, key))
            elif key in OPERANDS and not (counting and tree[key] == KEPT.text):
                path = None
                mend = "Leave it out: the number of members is compared" if counting else "Write field: and a key of it"
                self.wrong((*at, key), "a search looks at the members of a list", mend)
        if counting and not all(self._counts(key, at, by_hand=True) for key in keys if key not in OPERANDS):
            return None
        return self.by_hand(tree, keys, at, path)

    def _key(self, written: object, at: At) -> FieldPath | None:
        try:
            return read_key(written)
        except BadText as mistake:
            self.mistakes.append(mistake.at(*at))
            return None

    def _stored_find(self, named: str, written: Mapping[str, Any], at: At) -> Node | None:
        """ManageIQ's form: search and check name the association in their fields."""
        if "search" not in written:
            return self.wrong(at, "find has no search", _FORM)
        search, place = self._stored_part(written["search"], (*at, "search"), False)
        check, same = self._stored_part(written[named], (*at, named), named == COUNT)
        if search is None or check is None or place is None:
            return None
        if same is not None and same.text != place.text:
            what = f"the search is about {place.text}, the check about {same.text}"
            return self.wrong((*at, named), what, "Have both look at members of the same list")
        return Find(place, search, named, check, written, self.strict)

    def _stored_part(self, tree: object, at: At, counting: bool) -> tuple[Node | None, FieldPath | None]:
        """One comparison of a member, and the list that it names; a count names none."""
        keys = [key for key in tree if str(key).lower() not in IGNORED] if isinstance(tree, Mapping) else []
        if not isinstance(tree, Mapping) or len(keys) != 1 or not isinstance(tree[keys[0]], Mapping):
            return self.wrong(at, "a search and a check hold one comparison each", _FORM), None
        key, operands = keys[0], tree[keys[0]]
        place: FieldPath | None = None
        path: FieldPath | None = KEPT
        try:
            operator = operator_named(key, by_hand=False)
            if not counting:
                place, path = read_member(operands.get("field"))
        except BadText as mistake:
            self.mistakes.append(mistake.at(*at, key))
            return None, None
        if counting and not self._counts(key, at, by_hand=False):
            return None, None
        return self.stored(operator, operands, (*at, key), path), place

    def _counts(self, key: object, at: At, *, by_hand: bool) -> bool:
        """Whether an operator may compare a number of members; one that is none is told elsewhere."""
        try:
            operator = operator_named(key, by_hand=by_hand)
        except BadText:
            return True
        if operator.name in COUNTING:
            return True
        self.wrong((*at, key), f"{operator.name} cannot compare a number of members", f"Use {', '.join(COUNTING)}")
        return False


_FORM = (
    "Write {in: server.addresses, search: {starts with: '10.'}, checkany: {ends with: '.1'}}, "
    "with one of checkall, checkany, checkcount"
)
