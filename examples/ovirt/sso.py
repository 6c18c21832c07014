"""Signing in and out at the engine: OAuth by password."""

from __future__ import annotations

from typing import TYPE_CHECKING

from examples.ovirt.tokens import Tokens
from examples.ovirt.views import moment
from examples.ovirt.wire import Request, Response, page

if TYPE_CHECKING:
    from examples.ovirt.world import World

TOKEN = "/ovirt-engine/sso/oauth/token"
LOGOUT = "/ovirt-engine/services/sso-logout"
SCOPE = "ovirt-app-api"


def answer(world: World, tokens: Tokens, request: Request) -> Response:
    """Answer a request to sign in or out."""
    if request.method != "POST":
        return page(405, "Method Not Allowed")
    form = request.form() | dict(request.query)
    if request.path == LOGOUT:
        ended = tokens.revoke(form.get("token", ""))
        if ended is not None:
            world.emit(31, f"User {ended.user.name}-authz logged out.", world.actor(ended.user.name))
        return Response(200, {})
    if form.get("grant_type") != "password":
        return _refuse("unsupported_grant_type", "Unsupported grant type")
    if SCOPE not in form.get("scope", "").split():
        return _refuse("invalid_scope", "The scope is not known.")
    name = form.get("username", "")
    user = next((user for user in world.users.values() if user.name == name), None)
    if user is None or form.get("password") != user.password:
        world.emit(114, f"User {name[:60]} failed to log in.", None, severity="error")
        text = f"Cannot authenticate user '{name}': The user name or password is incorrect.."
        return _refuse("access_denied", text)
    token = tokens.issue(user)
    world.emit(30, f"User {user.name}-authz connecting from '127.0.0.1' logged in.", world.actor(user.name))
    return Response(
        200,
        {
            "access_token": token.id,
            "scope": SCOPE,
            "exp": str(moment(token.expires_at)),
            "token_type": "bearer",
        },
    )


def _refuse(code: str, text: str) -> Response:
    return Response(400, {"error": text, "error_code": code})
