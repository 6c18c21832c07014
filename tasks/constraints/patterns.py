"""Patterns in constraints: whole-value matches in linear time, by RE2 (spec orchestrate 5.4)."""

from __future__ import annotations

from collections.abc import Callable

import re2

#: Longest pattern in characters, and memory that one compiled pattern may use, in bytes.
MAX_PATTERN, _MEMORY = 512, 4 * 1024 * 1024

EXACT, REGEXP, GLOB = "exact", "regexp", "glob"
MODES = (EXACT, REGEXP, GLOB)


def compile_pattern(mode: str, pattern: str) -> Callable[[str], bool]:
    """A test of whole texts. Raises ``ValueError`` for what is no pattern of this mode."""
    if len(pattern) > MAX_PATTERN:
        raise ValueError(f"a pattern of at most {MAX_PATTERN} characters is wanted")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY
    options.never_capture = True
    options.dot_nl = mode == GLOB
    try:
        compiled = re2.compile(_from_glob(pattern) if mode == GLOB else pattern, options)
    except re2.error as error:
        reason = error.args[0] if error.args else "it cannot be read"
        text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise ValueError(f"the pattern cannot be used: {text}") from error
    return lambda value: compiled.fullmatch(value) is not None


def _from_glob(pattern: str) -> str:
    """``*``, ``?``, ``[abc]`` and ``[!abc]`` as a regular expression; nothing else means anything."""
    made: list[str] = []
    at = 0
    while at < len(pattern):
        letter = pattern[at]
        at += 1
        if letter == "*":
            made.append(".*")
        elif letter == "?":
            made.append(".")
        elif letter == "[" and (end := pattern.find("]", at + (pattern[at : at + 1] == "!") + 1)) != -1:
            inner = pattern[at:end]
            negated = inner.startswith("!")
            letters = "".join(f"\\{c}" if c in "\\^[]" else c for c in inner[negated:])
            made.append(f"[{'^' if negated else ''}{letters}]")
            at = end + 1
        else:
            made.append(re2.escape(letter))
    return "".join(made)
