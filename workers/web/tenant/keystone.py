"""Keystone's tokens, checked by OpenStack's own middleware with the credentials of a cloud of ``clouds.yaml``."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from tasks.model.errors import Permanent
from workers.web.tenant.answers import Refusal
from workers.web.tenant.visitor import Visitor

#: Seconds that Keystone has to take a connection, and how often a request is repeated.
CONNECT_SECONDS, RETRIES = 5, 1
_STRANGE = "The token has no project: sign in to one."


class Keystone:
    """Asks Keystone whose a token is, at each request: one that was revoked is refused at once.

    ``admins`` are the roles that see all projects, as in ESI Leap. Raises
    :class:`tasks.model.errors.Permanent` where keystonemiddleware is not installed, and ``SiteInvalid`` where
    ``clouds.yaml`` does not describe the cloud.
    """

    def __init__(self, cloud: str, clouds_file: Path, admins: Iterable[str]) -> None:
        self._admins = frozenset(admins)
        conf = _conf(cloud, clouds_file)
        self.uri: str = conf["www_authenticate_uri"]
        try:
            # Here and not above: most installations never need it.
            from keystonemiddleware.auth_token import AuthProtocol
        except ImportError:
            raise Permanent(
                "web.keystone_cloud needs the package keystonemiddleware: install it, or remove the setting"
            ) from None
        # It names the options of the sign-in as unknown to itself, and hands them on all the same.
        logging.getLogger("keystonemiddleware").setLevel(logging.ERROR)
        self._middleware: Callable[[dict[str, Any], Any], Iterable[bytes]] = AuthProtocol(_welcome, conf)

    def visitor(self, token: str) -> Visitor | None:
        """Whose a token is; None for one that Keystone does not know any more.

        Raises :class:`Refusal` where Keystone does not answer, and for a token without a project.
        """
        environ = _environ(token)
        statuses: list[str] = []

        def start(status: str, _headers: Sequence[Any], _error: Any = None) -> None:
            statuses.append(status)

        b"".join(self._middleware(environ, start))
        if statuses[0].startswith("401"):
            return None
        if environ.get("HTTP_X_IDENTITY_STATUS") != "Confirmed":
            raise Refusal(503, "Keystone does not answer, so the token cannot be checked. Try again in a moment.")
        roles = (environ.get("HTTP_X_ROLES") or "").split(",")
        if self._admins.intersection(roles):
            return Visitor(None)
        project = environ.get("HTTP_X_PROJECT_ID")
        if not project:
            raise Refusal(403, _STRANGE)
        return Visitor(project)


def _conf(cloud: str, clouds_file: Path) -> dict[str, Any]:
    from tasks.providers.openstack.session import cloud_session

    found = cloud_session(cloud, clouds_file).cloud.config
    auth = dict(found.get("auth") or {})
    return {
        **auth,
        "auth_type": found.get("auth_type") or "password",
        "www_authenticate_uri": auth.get("auth_url", ""),
        "cafile": found.get("cacert") or "",
        "insecure": found.get("verify") is False,
        "include_service_catalog": False,
        "token_cache_time": -1,
        "http_connect_timeout": CONNECT_SECONDS,
        "http_request_max_retries": RETRIES,
    }


def _welcome(_environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
    start("200 OK", [])
    return [b""]


def _environ(token: str) -> dict[str, Any]:
    """The least of a request that the middleware takes."""
    return {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/",
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "HTTP_X_AUTH_TOKEN": token,
    }
