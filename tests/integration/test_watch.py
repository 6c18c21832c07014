"""``catchment watch``: each event acted on once, whatever is killed when."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from examples.esi.running import TOKEN, LeapApi
from tasks.ledger.session import Ledger
from tests.leap_way import LeapWay, write
from tests.unit.esi_leap.leap_ground import END, ERROR, message
from workers.watch.place import Place

ROOT = Path(__file__).resolve().parents[2]
#: Notes id, type and whether it may have been acted on before; waits at a gate where there is one.
ACTION = """\
#!/bin/sh
read -r event
echo "$CATCHMENT_EVENT_ID $CATCHMENT_EVENT_TYPE ${CATCHMENT_AGAIN:-0} $CATCHMENT_ATTEMPT" >> acted
echo "$event" >> given
if test -p gate; then echo begun > begun; read -r word < gate; fi
test ! -e fail
"""


def row(number: int, **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "event_type": END,
        "event_time": "2031-05-04T12:00:00.0",
        "object_uuid": f"l-{number}",
        **more,
    }


class Watch:
    """The command in a folder of its own, on a simulated service or on a ledger."""

    def __init__(self, folder: Path, *options: str, **environment: str) -> None:
        self.folder, self._options = folder, options
        self._environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
        write(folder / "act", ACTION, 0o755)

    def start(self, *options: str, command: tuple[str, ...] = ("./act",)) -> subprocess.Popen[str]:
        words = [sys.executable, "-m", "workers.cli.main", "watch", "--last-event-id-file", "last", *self._options]
        return subprocess.Popen([*words, *options, "--", *command], cwd=self.folder, env=self._environment, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip

    def once(self, *options: str, code: int = 0, command: tuple[str, ...] = ("./act",)) -> str:
        started = self.start("--once", *options, command=command)
        said = "".join(started.communicate(timeout=60))
        assert started.returncode == code, said
        return said

    def acted(self) -> list[str]:
        file = self.folder / "acted"
        return file.read_text().splitlines() if file.exists() else []

    def ids(self) -> list[int]:
        return [int(line.split()[0]) for line in self.acted()]

    def last(self) -> str:
        return (self.folder / "last").read_text()

    def open_gate(self) -> None:
        """Let an action that waits come to its end."""
        (self.folder / "gate").write_text("go\n")

    def wait_for_action(self) -> None:
        """Until an action has begun: reading from the pipe blocks until it writes."""
        assert (self.folder / "begun").read_text() == "begun\n"


@pytest.fixture
def api() -> Iterator[LeapApi]:
    with LeapApi() as running:
        yield running


@pytest.fixture
def watching(api: LeapApi, tmp_path: Path) -> Watch:
    api.state.rows = [row(n) for n in (1, 2, 3)]
    return Watch(tmp_path, "--url", api.url, CATCHMENT_TOKEN=TOKEN)


def gated(watching: Watch) -> None:
    os.mkfifo(watching.folder / "gate")
    os.mkfifo(watching.folder / "begun")


def test_each_event_is_acted_on_once_in_the_order_of_ids(watching: Watch, api: LeapApi) -> None:
    api.shuffle = lambda rows: rows[::-1]
    watching.once()
    watching.once()
    assert watching.ids() == [1, 2, 3]
    assert watching.last() == "3"
    api.state.rows.append(row(4, event_type=ERROR))
    watching.once()
    assert watching.acted()[-1] == f"4 {ERROR} 0 1"
    given = [json.loads(line) for line in (watching.folder / "given").read_text().splitlines()]
    assert given == api.state.rows


def test_the_file_of_a_polling_script_is_taken_over(watching: Watch) -> None:
    write(watching.folder / "last", "2")
    watching.once()
    assert watching.ids() == [3]


@pytest.mark.parametrize("content", ["", "abc", "-1", "1.5"])
def test_a_file_without_an_id_is_no_reason_to_begin_anew(watching: Watch, content: str) -> None:
    write(watching.folder / "last", content)
    assert "holds no id" in watching.once(code=2)
    assert watching.ids() == []


def test_a_watch_killed_in_the_middle_of_an_action_leads_to_no_second_one(watching: Watch) -> None:
    gated(watching)
    first = watching.start()
    watching.wait_for_action()
    first.kill()
    first.wait()
    second = watching.start("--once")
    assert second.stderr is not None
    assert "waiting for it" in second.stderr.readline()
    watching.open_gate()  # the first one's action ends, and its keeper notes it
    for _ in (2, 3):
        watching.wait_for_action()
        watching.open_gate()
    assert second.wait(60) == 0
    second.stderr.close()
    assert watching.ids() == [1, 2, 3]
    assert watching.last() == "3"


def test_where_the_keeper_is_killed_as_well_the_next_run_is_told(watching: Watch) -> None:
    gated(watching)
    first = watching.start()
    watching.wait_for_action()
    children = Path(f"/proc/{first.pid}/task/{first.pid}/children").read_text().split()
    for number in (first.pid, *map(int, children)):
        os.kill(number, signal.SIGKILL)
    first.wait()
    watching.open_gate()
    (watching.folder / "gate").unlink()
    watching.once()
    assert watching.acted() == [f"1 {END} 0 1", f"1 {END} 1 2", f"2 {END} 0 1", f"3 {END} 0 1"]


def test_told_to_end_it_lets_the_action_end_and_begins_no_other(watching: Watch) -> None:
    gated(watching)
    running = watching.start()
    watching.wait_for_action()
    running.terminate()
    watching.open_gate()
    assert running.wait(60) == 0
    assert (watching.ids(), watching.last()) == ([1], "1")


def test_two_watches_of_one_file_are_kept_apart(watching: Watch) -> None:
    gated(watching)
    running = watching.start()
    watching.wait_for_action()
    assert "another watch works with" in watching.once(code=2)
    running.terminate()
    watching.open_gate()
    running.wait(60)


def test_a_command_that_fails_is_run_again_and_stops_the_watch_in_the_end(watching: Watch) -> None:
    write(watching.folder / "fail", "")
    said = watching.once("--tries", "2", code=1)
    assert "event 1: ./act ended with 1, try 2 of 2" in said
    assert watching.acted() == [f"1 {END} 0 1", f"1 {END} 1 2"]
    assert not (watching.folder / "last").exists()
    (watching.folder / "fail").unlink()
    watching.once()
    assert watching.acted()[2:] == [f"1 {END} 1 3", f"2 {END} 0 1", f"3 {END} 0 1"]


def test_it_goes_on_behind_an_event_that_was_given_up_where_it_is_told_to(watching: Watch) -> None:
    watching.once("--tries", "1", "--keep-going", code=1, command=("sh", "-c", "exit 7"))
    assert watching.last() == "3"


@pytest.mark.parametrize(("command", "status"), [("./absent", 127), ("./last-of-all", 126)])
def test_a_command_that_cannot_be_run_is_told(watching: Watch, command: str, status: int) -> None:
    write(watching.folder / "last-of-all", "#!/bin/sh\n", 0o644)
    assert f"ended with {status}" in watching.once("--tries", "1", code=1, command=(command,))


def test_the_command_is_a_vector_and_gets_no_token(watching: Watch) -> None:
    script = (
        'import os, sys; open("seen", "a").write(repr(sys.argv[1:]) + str("CATCHMENT_TOKEN" in os.environ) + "\\n")'
    )
    watching.once(command=(sys.executable, "-c", script, "$(touch pwned)", "--once"))
    assert (watching.folder / "seen").read_text().splitlines() == ["['$(touch pwned)', '--once']False"] * 3
    assert not (watching.folder / "pwned").exists()


def test_types_are_chosen_and_history_is_skipped(watching: Watch, api: LeapApi) -> None:
    watching.once("--skip-history")
    assert (watching.ids(), watching.last()) == ([], "3")
    api.state.rows += [row(4), row(5, event_type=ERROR), row(6)]
    watching.once("--event-type", ERROR, "--skip-history")
    assert (watching.ids(), watching.last()) == ([5], "6")


def test_a_refusal_ends_one_round_with_a_reason(watching: Watch, api: LeapApi) -> None:
    for status, words in ((500, "answers with 500"), (401, "refuses the token"), (404, "is no event history")):
        api.refuse = status
        assert words in watching.once(code=2)
    assert watching.ids() == []


def test_a_source_that_is_down_for_a_while_is_asked_again(watching: Watch, api: LeapApi) -> None:
    api.refuse = 503
    running = watching.start()
    assert running.stderr is not None
    assert "it is tried again" in running.stderr.readline()
    gated(watching)
    api.refuse = None
    watching.wait_for_action()
    running.terminate()
    watching.open_gate()
    assert running.wait(60) == 0
    running.stderr.close()
    assert watching.ids() == [1]


def test_a_cloud_is_found_by_its_catalogue(watching: Watch, api: LeapApi, tmp_path: Path) -> None:
    write(tmp_path / "clouds.yaml", api.clouds_yaml())
    there = Watch(tmp_path, "--cloud", "esi")
    there.once()
    assert there.ids() == [1, 2, 3]


def test_the_local_ledger_is_watched_for_one_project(empty_sqlite: Path, tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    ledger = Ledger(f"sqlite:///{shutil.copy(empty_sqlite, tmp_path / 'ledger.db')}")
    way = LeapWay(ledger, tmp_path, "[one]\nevents = none\nscript = /bin/true\n",
                  toml=f'database = "sqlite:///{tmp_path / "ledger.db"}"\n')  # fmt: skip
    way.catch(message(END, message_id="a", project_id="mine"), message(END, message_id="b", project_id="theirs"))
    ledger.close()
    here = Watch(tmp_path, "--site", str(tmp_path), "--project", "mine")
    here.once()
    assert len(here.ids()) == 1


def test_a_note_is_whole_or_not_there(tmp_path: Path) -> None:
    file = tmp_path / "last"
    with Place(file) as place:
        place.begin(7, 1)
        assert place.attempts(7) == 1
        assert place.attempts(8) == 0
        place.note(7)
        assert place.last() == 7
        write(tmp_path / "last.work", '{"id": 9, "att')
        assert place.attempts(9) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["last", "last.lock", "last.work"]
