"""Secrets of an effect: looked up for one attempt, and taken out of whatever is kept of it."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tasks.effects.contracts import EffectContext
from tasks.site.references import resolve

HIDDEN = "***"
#: How much of one text, and how many parts of one collection, a try keeps.
MAX_TEXT = 2000
MAX_PARTS = 50
MAX_DEPTH = 6

# Every repetition is bounded or cannot overlap: what a script prints may be made to slow these down.
_WORD = r"pass(?:word|wd|phrase)?|token|secret|api[_-]?key|private[_-]?key|credential"
_HIDDEN_KEY = re.compile(rf"(?i)(?:{_WORD}|authorization|cookie)s?(?![a-z])")
_ASSIGNED = re.compile(
    rf"""(?i)\b([\w-]{{0,40}}(?:{_WORD})s?["']?\s{{0,9}}[:=]\s{{0,9}})"""
    r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s,;&]+)"""
)
_SCHEME = re.compile(r"(?i)\b(bearer|basic)\s{1,9}[\w+/=.~-]{6,}")
_USERINFO = re.compile(r"(?i)\b([a-z][a-z0-9+.-]{0,20}://)[^\s/@]{1,500}@")


def reveal(text: str, context: EffectContext) -> tuple[str, list[str]]:
    """Replace the references in a text by their secrets, and return the secrets too.

    Every reference in a parameter was written by the operator: rules never let a value from a cloud add
    one (:mod:`tasks.expressions.placeholders`). Raises :class:`tasks.site.references.NoSecret` for a
    secret that is not there.
    """
    return resolve(text, Path(context.site_root))


def redact(value: Any, secrets: Iterable[str] = ()) -> Any:
    """A copy that is fit for the ledger: bounded, plain JSON, without the given secrets or the usual ones.

    Values under keys such as ``password`` go, as do ``token=…``, ``Bearer …`` and the user part of URLs
    inside texts. Characters that a database cannot hold are replaced.
    """
    return _plain(value, _spellings(secrets), 0)


def redact_text(text: str, secrets: Iterable[str] = (), limit: int = MAX_TEXT) -> str:
    """One text made fit for the ledger, cut to ``limit`` characters."""
    return _clean(text, _spellings(secrets), limit)


def _plain(value: Any, spellings: Sequence[str], depth: int) -> Any:
    if depth > MAX_DEPTH:
        return "…"
    if isinstance(value, Mapping):
        return {
            _clean(str(key), spellings, 200): HIDDEN
            if _HIDDEN_KEY.search(str(key))
            else _plain(part, spellings, depth + 1)
            for key, part in list(value.items())[:MAX_PARTS]
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(part, spellings, depth + 1) for part in list(value)[:MAX_PARTS]]
    if value is None or isinstance(value, bool | int | float):
        return value
    return _clean(str(value), spellings, MAX_TEXT)


def _clean(text: str, spellings: Sequence[str], limit: int) -> str:
    # Hidden before it is cut, so that no half of a secret stays at the end.
    for spelling in spellings:
        text = text.replace(spelling, HIDDEN)
    text = _USERINFO.sub(rf"\1{HIDDEN}@", text)
    text = _SCHEME.sub(rf"\1 {HIDDEN}", text)
    text = _ASSIGNED.sub(rf"\1{HIDDEN}", text)
    text = text.encode("utf-8", "replace").decode("utf-8").replace("\x00", "�")
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _spellings(secrets: Iterable[str]) -> list[str]:
    """The forms in which a secret may come back: as it is, quoted for a URL, inside JSON, in Base64."""
    forms: set[str] = set()
    for secret in secrets:
        if secret:
            encoded = base64.b64encode(secret.encode("utf-8", "surrogatepass")).decode("ascii")
            forms |= {secret, quote(secret, safe=""), json.dumps(secret)[1:-1], encoded.rstrip("=")}
    return sorted(forms, key=len, reverse=True)
