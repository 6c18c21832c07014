"""The rules of the house, as far as a program can check them."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest
from celery import Celery

import beat_schedule
from tasks.conveyor import launch
from tasks.conveyor.order import ORDER
from tasks.site.settings import Settings
from workers.config import INCLUDE, celery_settings
from workers.queues import ROUTES, queues

ROOT = Path(__file__).resolve().parents[2]
#: The rooms with a door: a folder whose tasks Celery calls.
ROOMS = ("catch", *ORDER, "effects", "conveyor", "rules", "jobs")
LONGEST_MODULE = 300
LONGEST_FUNCTION = 60


def modules(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def of_ours(*folders: str) -> list[Path]:
    """Modules that people read: a migration is written once and read by a machine."""
    return [path for path in modules(*folders) if "versions" not in path.parts]


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@cache
def app() -> Celery:
    """A Celery application with the doors open, which is not made the current one."""
    made = Celery("house", set_as_current=False)
    made.conf.update(celery_settings(Settings(), "memory://"))
    made.loader.import_default_modules()
    return made


def tasks() -> set[str]:
    return {name for name in app().tasks if not name.startswith("celery.")}


def test_modules_are_read_in_one_sitting() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in of_ours("tasks", "workers")}
    assert {str(p.relative_to(ROOT)): n for p, n in lengths.items() if n > LONGEST_MODULE} == {}
    assert len(lengths) > 100


def test_functions_are_short() -> None:
    long = {
        f"{path.relative_to(ROOT)}:{function.name}": length
        for path in of_ours("tasks", "workers")
        for function in functions(path)
        if (length := (function.end_lineno or 0) - function.lineno + 1) > LONGEST_FUNCTION
    }
    assert long == {}


def test_every_module_says_what_it_is() -> None:
    assert [p for p in of_ours("tasks", "workers") if not ast.get_docstring(tree(p))] == []


def test_packages_hold_a_docstring_only() -> None:
    for path in modules("tasks", "workers"):
        if path.name == "__init__.py":
            [only] = tree(path).body
            assert isinstance(only, ast.Expr)
            assert isinstance(only.value, ast.Constant)
            assert isinstance(only.value.value, str)


def test_every_folder_with_modules_is_a_package() -> None:
    folders = {path.parent for path in of_ours("tasks", "workers")}
    assert {folder for folder in folders if not (folder / "__init__.py").is_file()} == set()


def test_nothing_is_printed_from_tasks() -> None:
    printing = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in modules("tasks")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert printing == []


def test_no_module_is_a_junk_drawer() -> None:
    drawers = {"utils", "util", "helpers", "helper", "common", "misc"}
    assert [path for path in modules("tasks", "workers") if drawers & {path.stem, path.parent.name}] == []


def test_silenced_checks_give_their_reason() -> None:
    silent = re.compile(r"#\s*(noqa|type:\s*ignore)(?:: ?[A-Z0-9, ]+|\[[a-z-, ]+\])?\s*$")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in of_ours("tasks", "workers")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if silent.search(line)
    ]
    assert found == []


def test_the_clock_imports_nothing() -> None:
    imports = [n for n in ast.walk(tree(ROOT / "beat_schedule.py")) if isinstance(n, ast.Import | ast.ImportFrom)]
    assert imports == []


def test_every_task_of_the_clock_exists_and_expires_with_its_period() -> None:
    assert beat_schedule.BEAT_SCHEDULE
    for entry in beat_schedule.BEAT_SCHEDULE.values():
        assert entry["task"] in tasks()
        assert entry["options"] == {"expires": entry["schedule"]}


@pytest.mark.parametrize("room", ROOMS)
def test_room_has_one_door_and_it_is_opened(room: str) -> None:
    assert (ROOT / "tasks" / room / "task.py").is_file()
    assert f"tasks.{room}.task" in INCLUDE


def test_every_door_is_named_in_the_configuration() -> None:
    doors = {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in modules("tasks") if path.stem == "task"}
    assert doors == set(INCLUDE)


def test_celery_stays_at_the_doors() -> None:
    knowing = {
        str(path.relative_to(ROOT / "tasks"))
        for path in modules("tasks")
        for node in ast.walk(tree(path))
        if (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "celery")
        or (isinstance(node, ast.Import) and any(name.name.split(".")[0] == "celery" for name in node.names))
    }
    assert {path for path in knowing if not path.endswith("/task.py")} == {"conveyor/launch.py", "conveyor/stage.py"}


def test_every_task_goes_to_a_queue_that_is_declared() -> None:
    declared = {queue.name for queue in queues()}
    assert len(tasks()) >= 10
    for name in tasks():
        routes = [route["queue"] for pattern, route in ROUTES.items() if fnmatch(name, pattern)]
        assert len(routes) == 1, name
        assert routes[0] in declared
        assert app().amqp.router.route({}, name)["queue"].name == routes[0]


def test_every_task_that_is_sent_exists() -> None:
    sent = {launch.stage_name(stage) for stage in ORDER} | {"effects.run", "refresh.read", "catch.poll", "jobs.run"}
    assert sent <= tasks()


def test_queue_that_is_not_declared_is_refused() -> None:
    settings = celery_settings(Settings(), "memory://")
    assert settings["task_create_missing_queues"] is False
    assert settings["task_default_queue"] in {queue.name for queue in queues()}


def procfile() -> dict[str, list[str]]:
    lines = (ROOT / "Procfile").read_text(encoding="utf-8").splitlines()
    named = (line.partition(":") for line in lines if line.strip() and not line.startswith("#"))
    return {name: shlex.split(command) for name, _, command in named}


def test_workers_of_the_procfile_serve_every_queue_once() -> None:
    served: list[str] = []
    for command in procfile().values():
        if "worker" in command:
            served += command[command.index("-Q") + 1].split(",")
    assert sorted(served) == sorted(queue.name for queue in queues())


def test_processes_of_the_procfile_have_their_own_names_and_exist() -> None:
    commands = procfile()
    names = [command[command.index("-n") + 1] for command in commands.values() if "worker" in command]
    assert len(names) == len(set(names))
    for command in commands.values():
        assert command[:3] == ["exec", "python", "-m"]
        if command[3] != "celery":
            place = ROOT / Path(*command[3].split("."))
            assert place.with_suffix(".py").is_file() or (place / "__main__.py").is_file()
