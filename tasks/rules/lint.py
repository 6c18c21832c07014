"""Whether a rule would flap: trigger and reset that can hold for the same values (spec orchestrate 6.5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from tasks.constraints.compare import simple_bound
from tasks.constraints.nodes import Group, Node

_INFINITY = Decimal("Infinity")


@dataclass(frozen=True, slots=True)
class Interval:
    """Numbers from ``low`` to ``high``; the ends belong to it where ``closed`` says so."""

    low: Decimal = -_INFINITY
    high: Decimal = _INFINITY
    low_closed: bool = False
    high_closed: bool = False

    def meet(self, other: Interval) -> Interval:
        """The numbers that are in both."""
        low, low_closed = max((self.low, not self.low_closed), (other.low, not other.low_closed))
        high, high_closed = min((self.high, self.high_closed), (other.high, other.high_closed))
        return Interval(low, high, not low_closed, high_closed)

    @property
    def empty(self) -> bool:
        """Whether no number is in it."""
        return self.low > self.high or (self.low == self.high and not (self.low_closed and self.high_closed))


def _interval(operator: str, value: Decimal) -> Interval | None:
    match operator:
        case "eq":
            return Interval(value, value, True, True)
        case "gt" | "ge":
            return Interval(low=value, low_closed=operator == "ge")
        case "lt" | "le":
            return Interval(high=value, high_closed=operator == "le")
    return None


def flapping(trigger: Group, reset: Group) -> bool:
    """Whether both hold for one set of values, as far as plain numeric comparisons tell; False where they do not."""
    sides = [_bounds(trigger.children()), _bounds(reset.children())]
    if sides[0] is None or sides[1] is None:
        return False
    common = sides[0].keys() & sides[1].keys()
    return bool(common) and not any(sides[0][fact].meet(sides[1][fact]).empty for fact in common)


def _bounds(constraints: Sequence[Node]) -> dict[str, Interval] | None:
    """The numbers that each fact may be; None where a constraint is no plain comparison."""
    found: dict[str, Interval] = {}
    for one in constraints:
        bound = simple_bound(one)
        interval = _interval(bound[1], bound[2]) if bound is not None else None
        if bound is None or interval is None:
            return None
        found[bound[0].name] = found.get(bound[0].name, Interval()).meet(interval)
    return found
