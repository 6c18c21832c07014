"""The balance adds up at every moment of a random life, and says so where it does not."""

from __future__ import annotations

import random
import threading
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from tasks.conveyor.order import ORDER
from tasks.conveyor.prune import fold
from tasks.conveyor.retry import dead_events, retry_event
from tasks.ledger.balance import balance
from tasks.ledger.events import DeadLetter, Event, Place
from tasks.ledger.providers import Tally
from tasks.ledger.session import Ledger
from tasks.model.errors import Permanent
from tasks.model.event import Notification, ObjectRef
from tasks.model.outcome import Outcome, Raise
from tests.ground import (
    REQUEST,
    Clock,
    caught,
    count,
    exact,
    installed,
    notice,
    only_postgresql,
    provider,
    take,
    versioned,
)


class Dice:
    """A handler that fails, dies, raises or passes on, by chance."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def __call__(self, event: Any, view: Any) -> Outcome:
        chance = self.random.random()
        if chance < 0.1:
            raise OSError("later")
        if chance < 0.2:
            raise Permanent("never")
        if chance < 0.3:
            return Outcome(raises=[Raise("vm_start", ObjectRef("server", f"s{self.random.randrange(5)}"))])
        return Outcome()


def _batch(dice: random.Random) -> list[Notification]:
    made: list[Notification] = []
    for _ in range(dice.randrange(1, 12)):
        number, server = dice.randrange(60), f"s{dice.randrange(5)}"
        made.append(
            dice.choice(
                [
                    notice(server=server, message_id=f"m{number}", seconds=number),
                    notice("identity.authenticate", None, message_id=f"i{number}"),
                    notice(server=server, message_id=f"p{number}", _context_request_id=f"{REQUEST}{number}"),
                    versioned(server=server, message_id=f"v{number}", _context_request_id=f"{REQUEST}{number}"),
                    Notification(f"garbage {number}".encode(), "bus"),
                ]
            )
        )
    return made


@pytest.mark.parametrize("seed", range(2))
def test_balance_is_exact_after_every_step_of_a_random_life(ledger: Ledger, hands: Clock, seed: int) -> None:
    present, lab = installed(ledger, conveyor={"attempts": 3, "depth": 2}), provider(ledger)
    dice, handler = random.Random(seed), Dice(seed)
    for _ in range(40):
        step = dice.random()
        if step < 0.35:
            caught(present, lab, *_batch(dice))
        elif step < 0.85:
            take(present, dice.choice(ORDER), handler, limit=dice.choice([1, 5, 100]))
        elif step < 0.95:
            with ledger.transaction() as session:
                for event_id in dead_events(session, limit=3):
                    retry_event(session, event_id, hands.now, present.site.settings.conveyor.lanes)
        else:
            with ledger.transaction() as session:
                fold(session)
        hands.forward(dice.random() * 5)
        exact(ledger)
    for _ in range(25):
        for stage in ORDER:
            take(present, stage, handler)
        hands.forward(400)
    lines = exact(ledger)
    assert count(ledger, Place) == 0
    assert lines["lab"].duplicate > 0
    assert lines["lab"].finished > 0
    assert lines["lab"].dead > 0
    assert lines["internal"].stored == count(ledger, Event, Event.raised) > 0


@only_postgresql
def test_balance_read_while_others_write_is_of_one_moment(ledger: Ledger) -> None:
    present, lab = installed(ledger), provider(ledger)
    stop, faults, dice = threading.Event(), list[str](), random.Random(5)

    def look() -> None:
        while not stop.is_set():
            with ledger.reading() as session:
                faults.extend(fault for line in balance(session) for fault in line.faults)

    def work(seed: int) -> None:
        handler = Dice(seed)
        while not stop.is_set():
            for stage in ORDER:
                take(present, stage, handler, limit=5)

    threads = [threading.Thread(target=look), *(threading.Thread(target=work, args=(n,)) for n in range(2))]
    for thread in threads:
        thread.start()
    for _ in range(25):
        caught(present, lab, *_batch(dice))
    stop.set()
    for thread in threads:
        thread.join()
    assert faults == []
    assert exact(ledger)["lab"].received > 25


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (update(Tally).where(Tally.received > 0).values(received=Tally.received + 1), "received"),
        (delete(Place), "pending 0"),
        (delete(DeadLetter), "counted dead"),
    ],
)
def test_balance_that_does_not_add_up_says_where(ledger: Ledger, spoil: Any, word: str) -> None:
    present, lab = installed(ledger), provider(ledger)
    caught(present, lab, notice(), Notification(b"garbage", "bus"))
    exact(ledger)
    with ledger.transaction() as session:
        session.execute(spoil)
    with ledger.reading() as session:
        [line] = [line for line in balance(session) if line.provider == "lab"]
        assert session.scalars(select(Event.id)).all()
    assert not line.exact
    assert any(word in fault for fault in line.faults)
