"""What an event API may answer instead of events, and what becomes of it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Response

from tasks.model.errors import ProviderDown, SignedOut, Transient
from tasks.model.event import Notification
from tasks.providers.contracts import ProviderConfig
from tasks.providers.openstack.ceilometer_monitor import CeilometerMonitor
from tasks.providers.openstack.converter import OpenStackConverter
from tasks.providers.openstack.event_api import EventApiMonitor, sightings_of
from tasks.providers.openstack.options import OpenStackOptions
from tasks.providers.openstack.panko_monitor import PankoMonitor
from tests.monitor_contract import failure_of
from tests.unit.monitors.event_service import EventService, moment, provider
