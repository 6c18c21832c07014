"""Regular expressions in linear time: RE2, which never backtracks, within bounds of pattern and text."""

from __future__ import annotations

import re
from collections.abc import Callable

import re2

from tasks.expressions.mistakes import BadText, shown
from tasks.expressions.verdict import EvaluationFault, storable

#: Longest pattern, and longest text that one is matched against, in characters.
MAX_PATTERN, MAX_TEXT = 1000, 262_144
#: Memory that one compiled pattern may use, in bytes.
_MEMORY = 4 * 1024 * 1024

_DELIMITED = re.compile(r"/(.*)/([imx]?)", re.DOTALL)
_LOOK_AROUND = ("(?=", "(?!", "(?<=", "(?<!")


def read_pattern(written: object) -> Callable[[str], bool]:
    """A search for a pattern, written plainly, as ``/…/`` or as ``/…/i`` (spec policy-alerts 3.4).

    ``^`` and ``$`` match at every line. Raises ``BadText`` for what is no pattern; the search raises
    :class:`EvaluationFault` for a text beyond :data:`MAX_TEXT`.
    """
    if not isinstance(written, str):
        raise BadText(f"{shown(written)} is no regular expression", "Write it as text, in quotes")
    if len(written) > MAX_PATTERN:
        raise BadText(
            f"a regular expression of {len(written)} characters",
            f"Keep it below {MAX_PATTERN}: split the condition",
        )
    pattern, option = written, ""
    if match := _DELIMITED.fullmatch(written):
        pattern, option = match[1], match[2]
    if option == "x":
        raise BadText("the option x of a regular expression is not known here", "Write the pattern without blanks")
    compiled = _compile(pattern, option)

    def search(text: str) -> bool:
        if len(text) > MAX_TEXT:
            raise EvaluationFault(f"the text has {len(text)} characters, more than the {MAX_TEXT} that are searched")
        return compiled.search(storable(text)) is not None

    return search


def read_prefix(written: object) -> Callable[[str], bool]:
    """A pattern that a text must begin with, as ``re.match`` has it: no option, ``$`` at the very end alone.

    Raises as :func:`read_pattern`, and so does the match.
    """
    if not isinstance(written, str):
        raise BadText(f"{shown(written)} is no regular expression", "Write it as text, in quotes")
    if len(written) > MAX_PATTERN:
        raise BadText(f"a regular expression of {len(written)} characters", f"Keep it below {MAX_PATTERN}")
    compiled = _compiled(storable(written), written)

    def begins(text: str) -> bool:
        if len(text) > MAX_TEXT:
            raise EvaluationFault(f"the text has {len(text)} characters, more than the {MAX_TEXT} that are searched")
        return compiled.match(storable(text)) is not None

    return begins


def _compile(pattern: str, option: str) -> re2._Regexp:
    flags = {"i": "(?mi)", "m": "(?ms)"}.get(option, "(?m)")
    return _compiled(flags + storable(pattern), pattern)


def _compiled(whole: str, pattern: str) -> re2._Regexp:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY
    options.never_capture = True
    try:
        return re2.compile(whole, options)
    except re2.error as mistake:
        reason = mistake.args[0] if mistake.args else "it cannot be read"
        text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        mend = (
            "Look-ahead and look-behind are not known: write two conditions"
            if any(start in pattern for start in _LOOK_AROUND)
            else "Write it as RE2 understands it: no look-around, no back-references"
        )
        raise BadText(f"the regular expression {shown(pattern)} cannot be used ({text})", mend) from mistake
