"""What the inventory reader makes of an engine that refuses, breaks down or is not there."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from examples.ovirt import wire
from examples.ovirt.api import Api
from examples.ovirt.running import Engine
from examples.ovirt.wire import Response
from examples.ovirt.world import World
from tasks.model.errors import Gone, ProviderDown, SignedOut, Transient
from tasks.model.event import ObjectRef
from tasks.providers.ovirt import kinds
from tasks.providers.ovirt.inventory import OvirtInventory
from tests.engine_ground import NOTHING, lab


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine(World(seed=13)) as running:
        yield running


@pytest.fixture
def reader(engine: Engine) -> OvirtInventory:
    return OvirtInventory(lab(engine))


def ref(engine: Engine, name: str = "web-1") -> ObjectRef:
    return ObjectRef("server", engine.world.vm(name).id)


@pytest.mark.parametrize("status", [400, 403, 405, 409, 410, 422])
def test_only_404_means_gone(engine: Engine, reader: OvirtInventory, status: int) -> None:
    reader.read(ref(engine))
    engine.faults.answer(status, path="/api/vms/")
    with pytest.raises(Transient):
        reader.read(ref(engine))


def test_404_of_a_web_server_is_not_gone(engine: Engine, reader: OvirtInventory) -> None:
    engine.faults.answer(404, path="/api/vms/")
    with pytest.raises(ProviderDown, match="not by the engine's word"):
        reader.read(ref(engine))
    assert reader.read(ref(engine)).name == "web-1"


def test_404_without_a_body_is_gone_where_the_engine_answers_for_itself(
    engine: Engine, reader: OvirtInventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = Api.answer

    def silent(self: Api, request: wire.Request) -> Response:
        found = answer(self, request)
        return Response(404) if found.status == 404 else found

    monkeypatch.setattr(Api, "answer", silent)
    with pytest.raises(Gone):
        reader.read(ObjectRef("server", NOTHING))
    engine.faults.slow(0, path="/api/vms/")
    engine.faults.answer(503, path="/api/")
    with pytest.raises(ProviderDown):
        reader.read(ObjectRef("server", NOTHING))


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_faults_of_the_engine_are_provider_down_and_are_not_tried_again_here(
    engine: Engine, reader: OvirtInventory, status: int
) -> None:
    for kind in reader.kinds:
        known = next(reader.read_all(kind)).ref
        before = engine.requests.total()
        engine.faults.answer(status, retry_after="4")
        with pytest.raises(ProviderDown, match=r"^lab: ") as raised:
            reader.read(known)
        assert raised.value.after == 4.0
        assert engine.requests.total() == before + 1


def test_429_is_transient_after_the_pause_that_was_asked_for(engine: Engine, reader: OvirtInventory) -> None:
    reader.read(ref(engine))
    engine.faults.answer(429, path="/vms/", retry_after="12")
    with pytest.raises(Transient, match="asks for a pause") as raised:
        reader.read(ref(engine))
    assert not isinstance(raised.value, ProviderDown)
    assert raised.value.after == 12


def test_401_once_is_mended_and_twice_is_signed_out(engine: Engine, reader: OvirtInventory) -> None:
    reader.read(ref(engine))
    engine.expire_tokens()
    assert reader.read(ref(engine)).name == "web-1"
    engine.faults.answer(401, times=2, path="/vms/")
    with pytest.raises(SignedOut, match="refuses the credentials"):
        reader.read(ref(engine))


def test_token_that_expires_in_the_middle_of_a_stream_is_renewed(
    engine: Engine, reader: OvirtInventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kinds, "PAGE", 1)
    seen = []
    for reading in reader.read_all("server"):
        engine.expire_tokens()
        seen.append(reading.name)
    assert seen == ["db-1", "spare-1", "web-1", "web-2"]


def test_password_changed_in_the_middle_of_a_stream_is_signed_out(
    engine: Engine, reader: OvirtInventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kinds, "PAGE", 1)
    stream = reader.read_all("server")
    assert next(stream).name == "db-1"
    engine.world.user("admin@internal").password = "another"
    engine.expire_tokens()
    with pytest.raises(SignedOut):
        list(stream)


@pytest.mark.parametrize("spoil", ["truncate", "reset", "garbage"])
def test_broken_answers_are_provider_down(engine: Engine, reader: OvirtInventory, spoil: str) -> None:
    reader.read(ref(engine))
    for work in (lambda: reader.read(ref(engine)), lambda: list(reader.read_all("server"))):
        getattr(engine.faults, spoil)(path="/vms")
        with pytest.raises(ProviderDown, match=r"^lab: the engine "):
            work()
        assert reader.read(ref(engine)).name == "web-1"


def test_slow_answers_are_provider_down(engine: Engine) -> None:
    reader = OvirtInventory(lab(engine, timeout_seconds=0.3))
    reader.read(ref(engine))
    engine.faults.slow(1.0, path="/vms/")
    with pytest.raises(ProviderDown, match="did not answer in full"):
        reader.read(ref(engine))


@pytest.mark.parametrize(
    "body",
    [
        "[]",
        '"up"',
        "null",
        "{}",
        '{"id": 5, "name": "web-1"}',
        '{"id": "%s", "name": null}',
        '{"id": "00000000-0000-0000-0000-000000000009", "name": "web-1"}',
        '{"id": "%s", "name": ["web-1"]}',
        "[" * 100_000,
        '{"id": ' + "9" * 10_000 + "}",
    ],
)
def test_answers_that_are_no_object_leave_what_is_known_alone(
    engine: Engine, reader: OvirtInventory, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    known = ref(engine)
    monkeypatch.setattr(Api, "answer", lambda *_: Response(200, body.replace("%s", known.id)))
    with pytest.raises(ProviderDown, match=r"^lab: "):
        reader.read(known)


@pytest.mark.parametrize("body", ["[]", '{"vm": {}}', '{"vm": ["x"]}', '{"vm": "x"}', "{"])
def test_lists_that_are_none_are_provider_down(
    engine: Engine, reader: OvirtInventory, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    monkeypatch.setattr(Api, "answer", lambda *_: Response(200, body))
    with pytest.raises(ProviderDown, match=r"^lab: "):
        list(reader.read_all("server"))


def test_entries_that_are_no_objects_are_left_out(
    engine: Engine, reader: OvirtInventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"id": "../x", "name": "a"}, {"name": "b"}, {"id": NOTHING, "name": "c"}, {}]
    monkeypatch.setattr(Api, "answer", lambda *_: Response(200, {"vm": rows}))
    assert [reading.name for reading in reader.read_all("server")] == ["c"]


def test_random_faults_never_make_an_object_gone_or_another(engine: Engine, reader: OvirtInventory) -> None:
    dice = random.Random(5)
    refs = [reading.ref for kind in reader.kinds for reading in reader.read_all(kind)]
    for _ in range(150):
        kind = dice.choice(["status", "truncate", "reset", "garbage", "lose", "none"])
        if kind == "status":
            engine.faults.answer(dice.choice([400, 401, 403, 404, 409, 429, 500, 502, 503]), retry_after="1")
        elif kind != "none":
            getattr(engine.faults, kind)()
        wanted = dice.choice(refs)
        try:
            found: Any = reader.read(wanted)
        except Transient:
            continue
        else:
            assert found.ref == wanted
    engine.faults.clear()
    assert [reader.read(known).ref for known in refs] == refs


def test_messages_never_carry_a_token_or_a_password(engine: Engine, reader: OvirtInventory) -> None:
    reader.read(ref(engine))
    tokens = list(engine.tokens._tokens)
    for kind in ("reset", "truncate", "garbage"):
        getattr(engine.faults, kind)(path="/vms/")
        with pytest.raises(Transient) as raised:
            reader.read(ref(engine))
        error: Any = raised.value
        while error is not None:
            assert tokens[0] not in str(error)
            assert "secret" not in str(error)
            error = error.__cause__


def test_wrong_password_is_signed_out_and_is_not_shown(engine: Engine) -> None:
    with pytest.raises(SignedOut, match="refuses the credentials") as raised:
        OvirtInventory(lab(engine, password="hunter2")).read(ref(engine))
    assert "hunter2" not in repr(raised.value) + repr(raised.value.__cause__)
