"""No secret outlives the unwrapping, and nothing harmless is taken for one."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tasks.providers.openstack.converter import OpenStackConverter
from tasks.providers.openstack.secrets import is_secret, mask
from tests.unit.openstack.openstack_samples import bus_event, envelope, notification

HIDDEN = "hunter2-hunter2"


def kept(body: Any) -> str:
    """The messages of a body as the ledger would keep them."""
    return json.dumps([m.content for m in OpenStackConverter().unwrap(body)])


@pytest.mark.parametrize(
    "key",
    [
        "password", "Password", "admin_pass", "adminPass", "ADMIN_PASSWORD", "user_password", "passwords",
        "passwd", "auth_token", "authToken", "token", "tokens", "X-Auth-Token", "X_SUBJECT_TOKEN",
        "token_id", "authtoken", "auth_token_info", "trust_id", "trust", "service_catalog",
        "serviceCatalog", "catalog", "user_data", "userData", "userdata", "private_key", "privateKey",
        "ssh_private_key", "secret", "client_secret", "shared_secret", "secret_key", "access_key",
        "api_key", "apikey", "encryption_key", "psk", "credential", "credentials", "keyring",
        "injected_files", "personality", "authorization", "Cookie", "passphrase", "auth_password",
        "temp_url_sig", "pass\x00word",
    ],
)  # fmt: skip
def test_a_telling_key_hides_its_value_at_any_depth(key: str) -> None:
    assert is_secret(key)
    flat = notification(
        "a.b", {"list": [{"deep": {key: HIDDEN}}], key: {"inner": [HIDDEN]}}, **{f"_context_{key}": HIDDEN}
    )
    for body in (flat, envelope(flat), {"request": envelope(flat), "context": {key: HIDDEN}}):
        assert HIDDEN not in kept(body)


@pytest.mark.parametrize(
    "key",
    [
        "key_name", "public_key", "ssh_public_key", "keypair", "keypairs", "password_expires_at",
        "token_expires_at", "secret_ref", "secret_uuid", "encryption_key_id", "application_credential_id",
        "auth_url", "roles", "key", "user_identity", "trustor_user_id", "trusted_image_certificates",
        "fingerprint", "is_admin", "request_id", "reservation_id", "compassion", "pass_through", "author",
        "monkey", "hostname", "display_name", "metadata", "access_ip_v4", "image_ref_url", "tenant_id",
        "key_id", "path", "payload", "context", "token_type", "",
    ],
)  # fmt: skip
def test_a_harmless_key_keeps_its_value(key: str) -> None:
    assert not is_secret(key)
    assert '"plain-value"' in kept(notification("a.b", {"x": {key: "plain-value"}}))


def test_unset_secrets_stay_as_they_are() -> None:
    unset = {"auth_token": None, "password": "", "service_catalog": [], "admin_pass": False, "trust_id": True}
    (message,) = OpenStackConverter().unwrap(notification("a.b", dict(unset)))
    assert message.content["payload"] == unset


def test_a_trait_or_pair_that_names_a_secret_hides_its_value() -> None:
    assert HIDDEN not in kept(bus_event("a.b", admin_pass=HIDDEN))
    pairs = [{"key": "db_password", "value": HIDDEN}, {"name": "auth_token", "value": HIDDEN}]
    assert HIDDEN not in kept(notification("a.b", {"metadata": pairs}))


@pytest.mark.parametrize(
    "text",
    [
        f"amqp://nova:{HIDDEN}@mq1:5672/",
        f"rabbit://nova:{HIDDEN}@mq1:5672,nova:{HIDDEN}@mq2:5672/v",
        f"mysql+pymysql://u:p@{HIDDEN}@db/nova",
        f"failed: password={HIDDEN}",
        f"password:{HIDDEN}",
        f"admin_pass: {HIDDEN}, retry",
        f"{{'auth_token': '{HIDDEN} with blanks', 'x': 1}}",
        f'{{"adminPass": "{HIDDEN}", "x": 1}}',
        json.dumps({"a": json.dumps({"auth_password": HIDDEN})}),
        f"Authorization: Bearer {HIDDEN}",
        f"http://vnc/?token={HIDDEN}&path=x",
        f"X-Auth-Token: {HIDDEN}",
        f"https://swift/v1/a/c/o?temp_url_sig={HIDDEN}&temp_url_expires=1",
        f"-----BEGIN RSA PRIVATE KEY-----\n{HIDDEN}\n-----END RSA PRIVATE KEY-----",
        f"-----BEGIN PRIVATE KEY----- {HIDDEN}",
    ],
)
def test_a_secret_inside_a_text_is_hidden(text: str) -> None:
    assert HIDDEN not in kept(notification("a.b", {"message": text, "list": [text]}))
    assert HIDDEN not in kept(notification("image.upload", text))


def test_a_keystone_token_inside_a_text_is_hidden() -> None:
    token = "gAAAAA" + "Bx7_-" * 30
    assert token not in kept(notification("a.b", {"message": f"request with {token} failed"}))


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-04T10:11:12Z",
        "http://img/v2/images/1",
        "node1@lvm#pool",
        "fa:16:3e:00:00:01",
        "ssh-rsa AAAA== erin@laptop",
    ],
)
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert mask(text) == text


@pytest.mark.parametrize(
    "text",
    ["password" * 60_000, "password=" * 50_000, "://" * 150_000, "a" * 500_000 + "=", 'token:"' * 60_000],
)
def test_a_hostile_text_takes_no_long_time(text: str) -> None:
    before = time.process_time()
    mask(text)
    assert time.process_time() - before < 5
