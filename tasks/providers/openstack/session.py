"""Signing in to an OpenStack cloud by its own ``clouds.yaml``, with bounded patience and bounded answers."""

from __future__ import annotations

import http.cookiejar
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import requests
import urllib3
import yaml
from keystoneauth1 import exceptions as auth_errors
from keystoneauth1 import session as keystone
from openstack import exceptions as sdk_errors
from openstack.config import OpenStackConfig
from openstack.config.cloud_region import CloudRegion
from openstack.connection import Connection

from tasks.model.errors import SiteInvalid

#: Seconds to wait for a connection.
CONNECT_SECONDS = 5.0
#: Seconds without a byte before an answer counts as lost (spec capture 1.5); ``api_timeout`` stands above it.
READ_SECONDS = 60.0
#: Seconds that one answer may take as a whole.
ANSWER_SECONDS = 180.0
#: Bytes of one answer that are read; pages of lists stay far below.
ANSWER_BYTES = 64 * 1024 * 1024
_CHUNK = 65_536
#: What openstacksdk raises for an entry that it cannot make sense of; it takes files apart without looking.
_UNUSABLE = (
    sdk_errors.SDKException,
    auth_errors.ClientException,
    OSError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
)


class CloudSession(keystone.Session):
    """A keystoneauth session of one cloud of ``clouds.yaml``.

    ``cloud`` is openstacksdk's view of the cloud: region, interface, versions. Several threads may use
    one session: connections are pooled, the auth plugin fetches tokens under its own lock, and cookies,
    the only other state that a request changes, are not kept.
    """

    cloud: CloudRegion

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("http://", "https://"):
            self.mount(scheme, BoundedAdapter())

    def invalidate(self, auth: Any = None) -> bool:
        """Drop the token after a 401, and say that asking again is worth it.

        keystoneauth says so to the first thread alone; those whose 401 comes while it fetches the new token
        would give up on a token that was merely old.
        """
        super().invalidate(auth)
        return True


class BoundedAdapter(keystone.TCPKeepAliveAdapter):
    """Reads an answer whole, and gives up on one that is too long or too slow.

    keystoneauth's timeout counts from byte to byte, so a server that drips would hold a worker for ever.
    """

    def __init__(self, seconds: float | None = None, size: int | None = None) -> None:
        """``seconds`` is the time that one answer may take as a whole, ``size`` its bytes when unpacked."""
        super().__init__()
        self._bounds = seconds, size

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Send a request. Raises what ``requests`` raises for a broken answer."""
        if timeout is None or isinstance(timeout, int | float):
            read = float(timeout or READ_SECONDS)
            timeout = (min(CONNECT_SECONDS, read), read)
        response = super().send(request, stream=True, timeout=timeout, verify=verify, cert=cert, proxies=proxies)
        if not stream:
            seconds, size = self._bounds
            _read_whole(response, seconds or ANSWER_SECONDS, size or ANSWER_BYTES)
        return response


def _read_whole(response: requests.Response, seconds: float, most: int) -> None:
    """Read the body into the response within the bounds."""
    raw, parts, size = response.raw, [], 0
    if not isinstance(raw, urllib3.BaseHTTPResponse):
        # What stands in for a connection in tests, such as a recorded conversation, has it in memory.
        return
    deadline = time.monotonic() + seconds
    try:
        while part := raw.read1(_CHUNK, decode_content=True):
            size += len(part)
            if size > most:
                raise requests.exceptions.ContentDecodingError(f"the answer has more than {most} bytes")
            if time.monotonic() > deadline:
                raise requests.exceptions.ReadTimeout(f"the answer took more than {seconds:g} seconds")
            parts.append(part)
    except requests.exceptions.RequestException:
        response.close()
        raise
    except urllib3.exceptions.ReadTimeoutError as error:
        raise requests.exceptions.ReadTimeout(str(error)) from error
    except urllib3.exceptions.DecodeError as error:
        raise requests.exceptions.ContentDecodingError(str(error)) from error
    except urllib3.exceptions.HTTPError as error:
        raise requests.exceptions.ChunkedEncodingError(str(error)) from error
    raw.release_conn()
    # requests has no public way to hand a body over that was read elsewhere.
    response._content = b"".join(parts)
    response._content_consumed = True  # type: ignore[attr-defined]  # not in the published types


def cloud_session(cloud_name: str, clouds_file: Path) -> CloudSession:
    """The session of one cloud, as ``clouds.yaml`` and the ``secure.yaml`` beside it describe it.

    Nothing else is read: no other folder, no ``OS_`` variables. Nobody signs in yet: the first request
    does. Region, interface, TLS verification and ``api_timeout`` are as the files say. Raises
    :class:`tasks.model.errors.SiteInvalid` where the files do not describe the cloud.
    """
    secure_file = clouds_file.with_name("secure.yaml")
    if not clouds_file.is_file():
        raise SiteInvalid(f"{clouds_file}: there is no such file. Create it with `catchment init`, or put yours there.")
    for path in (clouds_file, secure_file):
        _check_yaml(path)
    try:
        config = OpenStackConfig(
            config_files=[str(clouds_file)],
            secure_files=[str(secure_file)],
            vendor_files=[],
            load_envvars=False,
            # Retrying is the conveyor's work, which also knows when to stop.
            override_defaults={"image_status_code_retries": 0, "baremetal_status_code_retries": 0},
            session_constructor=CloudSession,
            app_name="catchment",
        )
        known = config.get_cloud_names() if config.config_filename else []
        if cloud_name not in known:
            names = ", ".join(sorted(known)) or "none"
            raise SiteInvalid(f"{clouds_file}: there is no cloud {cloud_name!r}. The file names: {names}.")
        region = config.get_one(cloud_name)
        session = region.get_session()
    except _UNUSABLE as mistake:
        raise SiteInvalid(f"{clouds_file}: the cloud {cloud_name!r} cannot be used: {mistake}") from mistake
    if not isinstance(session, CloudSession):
        raise SiteInvalid(f"{clouds_file}: the cloud {cloud_name!r} has no usable way to sign in.")
    session.cloud = region
    return session


def _check_yaml(path: Path) -> None:
    """Raise ``SiteInvalid`` where a file is there and is no YAML: openstacksdk would overlook it."""
    if not path.is_file():
        return
    try:
        with path.open("rb") as file:
            yaml.safe_load(file)
    except yaml.MarkedYAMLError as mistake:
        # The whole text of the mistake may quote the file, and with it a password.
        line = f":{mistake.problem_mark.line + 1}" if mistake.problem_mark else ""
        raise SiteInvalid(f"{path}{line}: this is no YAML: {mistake.problem}.") from None
    except (yaml.YAMLError, ValueError, OSError, RecursionError) as mistake:
        raise SiteInvalid(f"{path}: it cannot be read as YAML ({type(mistake).__name__}).") from None


def connection(session: keystone.Session, *, strict: bool = True) -> Connection:
    """An openstacksdk connection over a session, in the region and by the interface that its cloud names.

    A service that is absent or cannot be discovered raises when it is first asked for, every time. One that
    is not ``strict`` takes the catalogue's word for services that tell no versions where the catalogue leads.
    """
    if isinstance(session, CloudSession):
        return Connection(config=session.cloud, strict_proxies=strict)
    return Connection(session=session, strict_proxies=strict)


def endpoint_filter(session: keystone.Session, service_type: str) -> dict[str, Any]:
    """What to hand to keystoneauth to find a service where the cloud's entry says it is."""
    found: dict[str, Any] = {"service_type": service_type}
    if isinstance(session, CloudSession):
        region = session.cloud.get_region_name(service_type)
        found |= {"interface": session.cloud.get_interface(service_type)} | ({"region_name": region} if region else {})
    return found
