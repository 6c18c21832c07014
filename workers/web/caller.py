"""Who asks: the token behind a request, and what each route demands of it.

The gate (:mod:`workers.web.gate`) lets nobody through without a token, so every route has a caller; a
route that changes something says with :func:`require` which role it takes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, HTTPException, Request

from tasks.ledger.tokens import ROLES
from workers.web import seal


@dataclass(frozen=True, slots=True)
class Caller:
    """The token that a request came with. ``session`` is set where it came in a browser's cookie.

    ``provider`` is the one that a token of the role push may push to.
    """

    token_id: int
    name: str
    role: str
    project: str | None
    session: seal.Session | None = None
    provider: str | None = None

    def may(self, role: str) -> bool:
        """Whether the token's role is this one or above it; a role that stands beside them is neither."""
        return self.role in ROLES and ROLES.index(self.role) >= ROLES.index(role)


def caller_of(request: Request) -> Caller:
    """The caller that the gate found. A request that came past the gate has none, and is refused."""
    found = getattr(request.state, "caller", None)
    if not isinstance(found, Caller):
        raise HTTPException(401, "this request carries no token")
    return found


def require(role: str) -> Callable[[Request], Caller]:
    """A dependency that refuses tokens below ``role`` with 403."""
    assert role in ROLES, role

    def demand(request: Request) -> Caller:
        caller = caller_of(request)
        if not caller.may(role):
            raise HTTPException(403, f"this takes a token with the role {role}; yours has the role {caller.role}")
        return caller

    demand.__name__ = f"require_{role}"
    return demand


def whole(request: Request) -> Caller:
    """A dependency that refuses tokens of one project: what it guards is about the whole installation."""
    caller = caller_of(request)
    if caller.project is not None:
        raise HTTPException(403, "this is about all projects, and your token is bound to one")
    return caller


Viewer = Annotated[Caller, Depends(require("view"))]
Operator = Annotated[Caller, Depends(require("operate"))]
Admin = Annotated[Caller, Depends(require("admin"))]
