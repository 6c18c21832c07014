"""Scripts that do their worst: floods, families, daemons, deaf ones and dead workers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tasks.effects import process
from tasks.effects.contracts import Done, EffectContext
from tasks.effects.script import Script, ScriptParams
from tasks.model.errors import Transient
from tasks.site.settings import Settings
from tests.unit.effects.effects_ground import write


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "scripts").mkdir()
    return tmp_path


def context(site: Path, **event: object) -> EffectContext:
    facts = {"id": 7, "event_type": "vm_poweroff", **event}
    return EffectContext("7:policy/a:script::0", 2, facts, None, Settings.model_construct(), str(site))


def run(site: Path, command: list[str], *, event: dict[str, object] | None = None, **params: object) -> Done:
    return Script().run(ScriptParams(command=command, **params), context(site, **(event or {})))


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def gone_within(pid: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not alive(pid):
            return True
        time.sleep(0.02)
    return not alive(pid)


def test_a_flood_of_output_is_read_to_the_end_and_only_its_head_is_kept(site: Path) -> None:
    body = """\
        import sys
        for _ in range(200):
            sys.stdout.write("x" * 1_000_000)
        sys.stderr.write("done")
        """
    done = run(site, [write(site, "flood", body)], output_limit_bytes=1000)
    assert done.detail["stdout"] == "x" * 1000
    assert done.detail["stdout_dropped_bytes"] == 200_000_000 - 1000
    assert done.detail["stderr"] == "done"


def test_a_script_that_does_not_read_its_input_succeeds(site: Path) -> None:
    script = write(site, "deaf", "import os, time; os.close(0); time.sleep(0.1); print('fine')")
    done = run(site, [script], event={"payload": "y" * 2_000_000})
    assert done.detail["stdout"] == "fine\n"


def test_a_script_that_closes_its_outputs_and_goes_on_is_waited_for(site: Path) -> None:
    body = "import os, time; os.close(1); os.close(2); time.sleep(0.3); open('late', 'w').close()"
    assert run(site, [write(site, "quiet", body)]).detail["exit"] == 0
    assert (site / "late").exists()


def test_a_slow_script_is_ended_at_its_limit(site: Path) -> None:
    script = write(site, "slow", "import time; time.sleep(60)")
    started = time.monotonic()
    with pytest.raises(Transient, match="timeout_seconds"):
        run(site, [script], timeout_seconds=0.5)
    assert time.monotonic() - started < 5


def test_a_script_may_clean_up_after_sigterm(site: Path) -> None:
    body = """\
        import signal, sys, time
        def end(*_):
            open("cleaned", "w").close()
            sys.exit(0)
        signal.signal(signal.SIGTERM, end)
        time.sleep(60)
        """
    with pytest.raises(Transient, match="was ended after"):
        run(site, [write(site, "tidy", body)], timeout_seconds=0.7)
    assert (site / "cleaned").exists()


def test_a_whole_family_that_ignores_sigterm_is_killed(site: Path) -> None:
    body = """\
        import os, signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        for _ in range(3):
            if os.fork() == 0:
                break
        with open("pids", "a") as file:
            file.write(f"{os.getpid()}\\n")
        time.sleep(120)
        """
    ended = process.run(
        [str(site / write(site, "family", body))],
        cwd=site,
        env={"PATH": os.environ["PATH"]},
        stdin=b"",
        timeout=1.0,
        output_limit=100,
        grace=0.3,
    )
    assert ended.timed_out
    assert ended.code == -signal.SIGKILL
    pids = [int(pid) for pid in (site / "pids").read_text().split()]
    assert len(pids) == 4
    assert all(gone_within(pid, 3) for pid in pids)


def test_what_a_script_leaves_in_its_group_ends_with_it(site: Path) -> None:
    body = """\
        import os, time
        pid = os.fork()
        if pid == 0:
            time.sleep(120)
        print(pid)
        """
    done = run(site, [write(site, "parent", body)])
    assert gone_within(int(done.detail["stdout"]), 3)


def test_a_daemon_that_holds_the_outputs_open_delays_nothing(site: Path) -> None:
    body = """\
        import os, sys, time
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                open("daemon", "w").write(str(os.getpid()))
                time.sleep(8)
            os._exit(0)
        time.sleep(0.2)
        print("started", flush=True)
        """
    started = time.monotonic()
    done = run(site, [write(site, "daemon.py", body)])
    assert time.monotonic() - started < 6
    assert done.detail["stdout"] == "started\n"
    os.kill(int((site / "daemon").read_text()), signal.SIGKILL)


def test_a_fork_bomb_of_some_size_is_gone_after_its_limit(site: Path) -> None:
    body = """\
        import os, time
        for _ in range(5):
            os.fork()
        with open("pids", "a") as file:
            file.write(f"{os.getpid()}\\n")
        time.sleep(120)
        """
    with pytest.raises(Transient):
        run(site, [write(site, "bomb", body)], timeout_seconds=3)
    pids = [int(pid) for pid in (site / "pids").read_text().split()]
    assert len(pids) == 32
    assert all(gone_within(pid, 3) for pid in pids)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_a_script_dies_with_its_worker(site: Path) -> None:
    write(site, "long", "import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(120)")
    worker = f"""\
from pathlib import Path
from tasks.effects import process
site = Path({str(site)!r})
process.run([str(site / "scripts/long")], cwd=site, env={{}}, stdin=b"", timeout=100, output_limit=1)
"""
    parent = subprocess.Popen([sys.executable, "-c", worker], cwd=Path(process.__file__).parents[2])
    deadline = time.monotonic() + 20
    while not (site / "pid").exists() or not (site / "pid").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    pid = int((site / "pid").read_text())
    assert alive(pid)
    parent.kill()
    parent.wait(10)
    assert gone_within(pid, 3)


def test_an_interruption_of_the_worker_ends_the_script(site: Path) -> None:
    script = write(site, "long", "import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(120)")

    class Interrupted(Exception):
        pass

    def interrupt(*_: object) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 1.0)
    try:
        with pytest.raises(Interrupted):
            run(site, [script])
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert gone_within(int((site / "pid").read_text()), 3)


def test_nothing_stays_open_after_many_runs(site: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(10):
        run(site, ["/bin/echo", "x"])
    assert len(os.listdir("/proc/self/fd")) <= before
