"""What a cloud's refusals and breakdowns mean for the work: one place for all of OpenStack."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import unquote

import requests
from keystoneauth1 import exceptions as auth_errors
from openstack import exceptions as sdk_errors

from tasks.model.errors import Absent, CatchmentError, Gone, ProviderDown, SignedOut, Transient
from tasks.model.event import ObjectRef

#: The longest pause in seconds that a cloud's ``Retry-After`` is believed.
LONGEST_PAUSE = 3600.0
#: Services that a cloud may do without.
OPTIONAL = frozenset({"orchestration", "block_storage", "baremetal", "event", "metering"})
_REQUEST_IDS = ("x-openstack-request-id", "x-compute-request-id")


class NotAllowed(SignedOut):
    """The provider knows the user and refuses what was asked (403)."""


@contextmanager
def map_errors(cloud: str, service: str, wanted: ObjectRef | None = None) -> Iterator[None]:
    """Raise our own errors for whatever openstacksdk, keystoneauth and requests raise inside the block.

    ``cloud`` and ``service`` go into the message, with what to do; never a token or a password. Only with
    ``wanted`` does a 404 mean :class:`tasks.model.errors.Gone`, and only where the service says so of that
    object (spec capture 9 C2): a proxy that has lost its service answers 404 as well.
    """
    try:
        yield
    except CatchmentError:
        raise
    except sdk_errors.HttpException as error:
        raise _refused(cloud, service, wanted, error.status_code, error.response) from error
    except auth_errors.HttpError as error:
        raise _refused(cloud, service, wanted, error.http_status, error.response) from error
    except (
        auth_errors.CatalogException,
        sdk_errors.EndpointNotFound,
        sdk_errors.ServiceDisabledException,
    ) as error:
        raise (Absent if service in OPTIONAL else ProviderDown)(
            f"{cloud}: the catalogue has no {service} service for this region and interface. "
            "Check region_name and interface in clouds.yaml, or install the service."
        ) from error
    except (auth_errors.AuthPluginException, auth_errors.AuthorizationFailure) as error:
        raise SignedOut(f"{cloud}: signing in failed: {error}. Check the cloud's entry in clouds.yaml.") from error
    except auth_errors.SSLError as error:
        raise ProviderDown(
            f"{cloud}: the certificate of {service} is not trusted. Name its authority as cacert."
        ) from error
    except (auth_errors.ConnectTimeout, requests.exceptions.Timeout) as error:
        raise ProviderDown(
            f"{cloud}: {service} did not answer in time. Check it, or raise api_timeout in clouds.yaml."
        ) from error
    except (
        auth_errors.ClientException,
        sdk_errors.SDKException,
        requests.exceptions.RequestException,
    ) as error:
        raise ProviderDown(
            f"{cloud}: {service} cannot be reached ({type(error).__name__}). Check that it runs."
        ) from error
    except (LookupError, ValueError, TypeError, AttributeError, AssertionError, RecursionError) as error:
        # openstacksdk takes answers apart without looking: whatever it trips over is the answer's fault.
        raise ProviderDown(
            f"{cloud}: {service} sent an answer that is none ({type(error).__name__}). "
            "Check that its address in the catalogue leads to the service."
        ) from error


def _refused(cloud: str, service: str, wanted: ObjectRef | None, status: int | None, response: Any) -> CatchmentError:
    """The error for a status of 400 and above."""
    after = retry_after(response)
    what = str(wanted) if wanted else "what was asked for"
    if status == 401:
        return SignedOut(f"{cloud}: {service} refuses the credentials. Check user and password in clouds.yaml.", after)
    if status == 403:
        advice = "Give it the reader role, in all projects if it can be."
        return NotAllowed(f"{cloud}: {service} does not let the user read {what}. {advice}", after)
    if status == 404 and wanted is not None and _says_gone(response, wanted):
        return Gone(f"{cloud}: {service} has no {wanted}")
    if status == 404:
        advice = "Check that its address in the catalogue leads to the service."
        return ProviderDown(f"{cloud}: a request for {service} ended in 404, but not for an object. {advice}", after)
    if status in (413, 429):
        return Transient(
            f"{cloud}: {service} asks for a pause ({status}). Raise its rate limit if this goes on.", after
        )
    if status is None or status >= 500:
        return ProviderDown(
            f"{cloud}: {service} answers with a fault of its own ({status}). See the service's log.", after
        )
    return Transient(f"{cloud}: {service} refuses to show {what} ({status}). See the service's log.", after)


def _says_gone(response: Any, wanted: ObjectRef) -> bool:
    """Whether a 404 is a service's word on that object.

    It answers a request for the object, not one for a token on the way there, and comes from a service,
    not from a proxy: it has a request id, or is an error in JSON.
    """
    # A key pair's id names its user as well, whom the address has in another place.
    asked = unquote(response.url or "") if response is not None else ""
    if response is None or not all(part in asked for part in wanted.id.split(":")):
        return False
    if any(response.headers.get(name) for name in _REQUEST_IDS):
        return True
    try:
        return isinstance(response.json(), dict)
    except ValueError:
        return False


def retry_after(response: Any) -> float | None:
    """The pause in seconds that an answer asks for, as seconds or as a date; None where it asks for none."""
    text = response.headers.get("Retry-After") if response is not None else None
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - time.time()
        except ValueError:
            return None
    return min(max(seconds, 0.0), LONGEST_PAUSE) if seconds == seconds else None
