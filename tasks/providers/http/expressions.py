"""JMESPath in options: checked when the site is read, compiled once, and applied to answers that nobody vouches for."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any

import jmespath
from jmespath.exceptions import JMESPathError, JMESPathTypeError
from jmespath.functions import Functions
from jmespath.parser import ParsedResult
from pydantic import AfterValidator, StringConstraints

#: The longest expression in characters: what it may cost grows with its length.
LENGTH = 500


class NoValue(ValueError):
    """An expression cannot be applied to this value; the words say why, without the value."""


def _checked(text: str) -> str:
    try:
        unknown = _functions(compiled(text).parsed) - set(Functions.FUNCTION_TABLE)
        if unknown:
            raise ValueError(f"there is no function {min(unknown)}() in JMESPath. See jmespath.org")
    except JMESPathError as error:
        raise ValueError(f"this is no JMESPath expression ({_reason(error)}). See jmespath.org") from None
    return text


#: An expression as it stands in ``providers.yaml``.
Expression = Annotated[str, StringConstraints(min_length=1, max_length=LENGTH), AfterValidator(_checked)]


def _functions(node: Any) -> set[str]:
    """The names of the functions in a parsed expression."""
    found = {str(node["value"])} if node["type"] == "function_expression" else set()
    return found.union(*(_functions(child) for child in node["children"] if isinstance(child, dict)))


@lru_cache(maxsize=1024)
def compiled(text: str) -> ParsedResult:
    """The expression, ready for use. Raises ``JMESPathError``."""
    return jmespath.compile(text)


def search(text: str, value: Any) -> Any:
    """What an expression finds in a value; None for nothing. Raises :class:`NoValue`."""
    try:
        return compiled(text).search(value)
    except JMESPathError as error:
        raise NoValue(_reason(error)) from None
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
        # Functions of JMESPath trip over values that they were not made for.
        raise NoValue(type(error).__name__) from None


def _reason(error: JMESPathError) -> str:
    """What is wrong, in one line without the value."""
    if isinstance(error, JMESPathTypeError):
        return f"{error.function_name}() was given a {error.actual_type}"
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(":")[:200]
