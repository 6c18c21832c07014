"""The options of an OpenStack provider: what can be written, and what is said of mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tasks.model.errors import SignedOut
from tasks.providers.openstack.bus_options import Amqp
from tasks.providers.openstack.options import OpenStackOptions
from tasks.providers.table import kinds
from tasks.site.clouds import Clouds
from tasks.site.providers import providers_of

URL = "amqp://catchment@bus:5672"


def amqp(**options: Any) -> Amqp:
    return Amqp.model_validate({"urls": [URL], **options})


def test_defaults_are_those_of_the_field() -> None:
    options = OpenStackOptions()
    assert (options.monitor, options.inventory, options.page_limit) == ("auto", "auto", 100)
    assert (options.event_backread_seconds, options.event_skip_history) == (5.0, False)
    assert options.amqp is None
    assert "identity.authenticate" in options.ignore


def test_every_service_is_listened_to_and_nova_and_ironic_on_both_topics() -> None:
    exchanges = {exchange.exchange: exchange.topics for exchange in amqp().exchanges}
    assert exchanges.pop("nova") == ["notifications.*", "versioned_notifications.*"]
    assert exchanges.pop("ironic") == ["notifications.*", "ironic_versioned_notifications.*"]
    assert set(exchanges) == {"openstack", "cinder", "glance", "heat", "keystone", "neutron"}
    assert all(topics == ["notifications.*"] for topics in exchanges.values())


@pytest.mark.parametrize(
    "given",
    [
        {"nova": ["a.*", "b.*"], "esi": "c.*"},
        [{"exchange": "nova", "topics": ["a.*", "b.*"]}, {"exchange": "esi", "topics": ["c.*"]}],
        {"nova": {"topics": ["a.*", "b.*"]}, "esi": ["c.*"]},
    ],
)
def test_exchanges_are_a_list_or_a_mapping(given: Any) -> None:
    found = [(exchange.exchange, exchange.topics, exchange.durable) for exchange in amqp(exchanges=given).exchanges]
    assert found == [("nova", ["a.*", "b.*"], None), ("esi", ["c.*"], None)]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("amqp://u@bus", ("bus", 5672, "u", "/", False)),
        ("amqps://u@bus", ("bus", 5671, "u", "/", True)),
        ("amqp://u@bus:5673/nova", ("bus", 5673, "u", "nova", False)),
        ("amqp://u@bus/%2Fodd%2F", ("bus", 5672, "u", "/odd/", False)),
        ("amqp://u@bus/", ("bus", 5672, "u", "/", False)),
        ("amqp://a%40b@[::1]:1", ("[::1]", 1, "a@b", "/", False)),
        ("amqp://bus", ("bus", 5672, "guest", "/", False)),
    ],
)
def test_a_url_names_a_broker(url: str, expected: tuple[Any, ...]) -> None:
    (broker,) = amqp(urls=[url]).brokers()
    assert (broker.host, broker.port, broker.user, broker.virtual_host, broker.tls) == expected


def test_the_virtual_host_is_used_where_a_url_names_none() -> None:
    options = amqp(urls=["amqp://u@one", "amqp://u@two/own"], virtual_host="shared")
    assert [broker.virtual_host for broker in options.brokers()] == ["shared", "own"]


def test_the_password_comes_from_the_url_or_from_where_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUS_PASSWORD", "from/env")
    (tmp_path / "bus").write_text("from@file\n")
    url = "amqp://u:in%3Aurl@bus"
    assert amqp(urls=[url]).brokers()[0].password == "in:url"
    assert amqp(urls=[url], password="given").brokers()[0].password == "given"
    assert amqp(urls=[url], password_env="BUS_PASSWORD").brokers()[0].password == "from/env"
    assert amqp(urls=[url], password_file=str(tmp_path / "bus")).brokers()[0].password == "from@file"


def test_a_password_that_is_not_to_be_had_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BUS_PASSWORD", raising=False)
    with pytest.raises(SignedOut, match="BUS_PASSWORD, which is not in the environment"):
        amqp(password_env="BUS_PASSWORD").brokers()
    with pytest.raises(SignedOut, match=r"cannot be read: No such file or directory"):
        amqp(password_file=str(tmp_path / "none")).brokers()
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(SignedOut, match="it is no UTF-8 text"):
        amqp(password_file=str(tmp_path / "binary")).brokers()


def test_no_password_is_in_what_is_printed() -> None:
    options = OpenStackOptions.model_validate({"amqp": {"urls": ["amqp://u:hunter2@bus"], "password": "hunter3"}})
    assert options.amqp is not None
    printed = f"{options!r} {options} {options.model_dump()} {options.model_dump_json()} {options.amqp.brokers()}"
    assert "hunter" not in printed


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"urls": []}, "at least 1 item"),
        ({"urls": ["http://hunter2@bus"]}, "a broker's URL cannot be used: write it as amqp://user@host:5672/vhost"),
        ({"urls": ["amqp://u:hunter2@"]}, "a broker's URL cannot be used"),
        ({"urls": ["amqp://u:hunter2@bus:many"]}, "a broker's URL cannot be used"),
        ({"urls": ["amqp://u:hunter2@bus?heartbeat=3"]}, "a broker's URL cannot be used"),
        ({"urls": ["amqp://u:hunt#er2@bus"]}, "a broker's URL cannot be used"),
        ({"urls": ["amqp://[hunter2"]}, "a broker's URL cannot be used"),
        ({"password": "hunter2", "password_env": "X"}, "name one of password, password_env and password_file"),
        ({"password_file": "secrets/bus"}, "name the file by its absolute path"),
        ({"tls": {"ca": "ca.pem"}}, "name the file by its absolute path"),
        ({"tls": {"key": "/k.pem"}}, "a key without its certificate cannot be used"),
        ({"exchanges": {}}, "at least 1 item"),
        ({"exchanges": {"nova": []}}, "at least 1 item"),
        ({"exchanges": [{"exchange": ""}]}, "at least 1 character"),
        ({"exchanges": [{"exchange": "x" * 256}]}, "at most 255 characters"),
        ({"exchanges": [{"topic": "a"}]}, "Field required"),
        ({"queue": ""}, "at least 1 character"),
        ({"queue_ttl_seconds": 1}, "greater than or equal to 60"),
        ({"prefetch": 0}, "greater than or equal to 1"),
        ({"heartbeat": 3}, "Extra inputs are not permitted"),
    ],
)
def test_a_mistake_is_told_without_the_secret(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as raised:
        OpenStackOptions.model_validate({"amqp": {"urls": [URL], **options}})
    told = " ".join(error["msg"] for error in raised.value.errors(include_input=False, include_url=False))
    assert words in told
    assert "hunter2" not in told


@pytest.mark.parametrize(
    "options", [{"monitors": "amqp"}, {"page_limit": 0}, {"event_backread_seconds": -1}, {"inventory": "some"}]
)
def test_an_option_that_is_none_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        OpenStackOptions.model_validate(options)


def test_a_site_explains_mistakes_in_the_options(tmp_path: Path) -> None:
    text = """
providers:
  - name: north
    type: openstack
    cloud: north
    monitor: ampq
    amqp:
      urls: ["amqp://u:hunter2@bus:many"]
      prefetch: many
"""
    found, problems = providers_of(text.encode(), tmp_path, kinds(), Clouds(frozenset({"north"})))
    assert found == {}
    told = [str(problem) for problem in problems]
    assert told[0] == "providers.yaml:6: unknown monitor 'ampq'. Did you mean 'amqp'?"
    assert any("amqp.urls: a broker's URL cannot be used" in line for line in told)
    assert any(line.startswith("providers.yaml:9: amqp.prefetch") for line in told)
    assert "hunter2" not in " ".join(told)


def test_a_site_may_keep_the_password_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hunter2\n")
    text = """
providers:
  - name: north
    type: openstack
    cloud: north
    amqp: {urls: ["amqp://u@bus"], password: "${file:secret}", exchanges: {nova: notifications.*}}
"""
    found, problems = providers_of(text.encode(), tmp_path, kinds(), Clouds(frozenset({"north"})))
    assert problems == []
    assert found["north"].options.cloud == "north"
    assert found["north"].options.amqp.brokers()[0].password == "hunter2"


def test_the_queue_is_named_after_the_provider_and_has_only_the_arguments_that_are_set() -> None:
    assert amqp().queue_name("north") == "catchment.north"
    assert amqp(queue="own").queue_name("north") == "own"
    assert amqp().queue_arguments() == {}
    assert amqp(queue_ttl_seconds=60, queue_max_length=1000).queue_arguments() == {
        "x-message-ttl": 60_000,
        "x-max-length": 1000,
    }


def test_tls_checks_certificate_and_name_unless_told_otherwise(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_text("")
    options = amqp(urls=["amqps://u@bus"], tls={"ca": str(ca)})
    settings = options.tls.settings(options.brokers()[0])
    assert settings["cert_reqs"].name == "CERT_REQUIRED"
    assert (settings["server_hostname"], settings["ca_certs"]) == ("bus", str(ca))
    lax = amqp(urls=["amqps://u@bus"], tls={"verify": False})
    assert lax.tls.settings(lax.brokers()[0]) == {"cert_reqs": settings["cert_reqs"].__class__.CERT_NONE}
    with pytest.raises(FileNotFoundError, match=r"none\.pem"):
        amqp(tls={"ca": str(tmp_path / "none.pem")}).tls.settings(options.brokers()[0])
