"""Reads an object's kind and id out of a subject, by a pattern that an operator gives."""

from __future__ import annotations

import re

from tasks.model.event import OWN_KINDS, ObjectRef

#: A longer subject names no object; so do a longer id and a longer kind.
_SUBJECT_LIMIT, _ID_LIMIT = 1000, 255
_HOLES = re.compile(r"(\{[^{}]*\})")
_KNOWN = ("{kind}", "{id}", "{}")
_KIND = re.compile(r"[a-z][a-z0-9_]{0,39}")
#: Parts of no interest that one pattern may have.
_FILLERS = 6


class SubjectPattern:
    """One pattern, as ``clusters/{}/{kind}/{id}``. Raises ``ValueError`` for one that names no object."""

    def __init__(self, pattern: str, kind: str | None) -> None:
        pieces = _HOLES.split(pattern)
        holes = pieces[1::2]
        for hole in holes:
            if hole not in _KNOWN:
                raise ValueError(f"there is no {hole}: write {{kind}}, {{id}} or {{}}")
        if holes.count("{id}") != 1:
            raise ValueError("the pattern must have {id} once")
        if holes.count("{kind}") != (kind is None):
            raise ValueError("the kind must be named once: by {kind} in the pattern, or by the key kind")
        if holes.count("{}") > _FILLERS:
            raise ValueError(f"the pattern has {{}} more than {_FILLERS} times")
        if any(not between for between in pieces[2:-1:2]):
            raise ValueError("two of {kind}, {id} and {} stand side by side: nothing says where one ends")
        text = "".join(
            _hole(piece, pieces[place + 1]) if place % 2 else re.escape(piece) for place, piece in enumerate(pieces)
        )
        self._pattern = re.compile(text, re.DOTALL)
        self._kind = kind

    def read(self, subject: str) -> ObjectRef | None:
        """The object that a subject names, or None where it does not fit.

        Catchment's own kinds of object are nobody else's to name.
        """
        found = self._pattern.fullmatch(subject) if len(subject) <= _SUBJECT_LIMIT else None
        if found is None:
            return None
        kind = self._kind or re.sub(r"[-. ]", "_", found["kind"].lower())
        ref = found["id"]
        if not _KIND.fullmatch(kind) or kind in OWN_KINDS or not ref.strip() or len(ref) > _ID_LIMIT:
            return None
        return ObjectRef(kind, ref)


def _hole(hole: str, following: str) -> str:
    """What stands for a placeholder. All but an id end where the text behind them begins, so that a match is quick."""
    if hole == "{id}":
        return f"(?P<id>.{{1,{_ID_LIMIT}}})"
    part = f"[^/{re.escape(following[:1])}]{{1,200}}"
    return f"(?P<kind>{part})" if hole == "{kind}" else part
