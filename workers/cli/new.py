"""``catchment new``: write a package to start a plugin from."""

from __future__ import annotations

import ast
import keyword
import os
import re
import shutil
import tempfile
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

import click

from tasks.model.errors import Permanent

_NAME = re.compile(r"[a-z][a-z0-9_]{1,30}")
#: What ``new monitor`` writes: the file in the package's folder, and the template it is made from.
MONITOR = {
    "pyproject.toml": "pyproject.toml.tmpl",
    "README.md": "README.md.tmpl",
    "{package}/__init__.py": "package.py.tmpl",
    "{package}/kind.py": "kind.py.tmpl",
    "{package}/options.py": "options.py.tmpl",
    "{package}/monitor.py": "monitor.py.tmpl",
    "{package}/converter.py": "converter.py.tmpl",
    "{package}/simulator.py": "simulator.py.tmpl",
    "tests/conftest.py": "conftest.py.tmpl",
    "tests/test_contract.py": "test_contract.py.tmpl",
    "tests/test_converter.py": "test_converter.py.tmpl",
    "tests/test_recorded.py": "test_recorded.py.tmpl",
    "tests/cassettes/first_poll.yaml": "first_poll.yaml.tmpl",
}


@click.group("new")
def new() -> None:
    """Write a package to start a plugin from."""


@new.command("monitor")
@click.argument("name")
@click.option(
    "--into",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    help="The folder in which the package's folder is made. Default: this one.",
)
def monitor(name: str, into: Path) -> None:
    """Write a package that brings the kind of provider NAME: monitor, converter, options, simulator and tests.

    All its tests pass before a line is changed.
    """
    target = into / f"catchment-{name.replace('_', '-')}"
    write(texts(checked(name)), target)
    click.echo(f"Wrote {target}:")
    for path in sorted(paths(name)):
        click.echo(f"  {path}")
    click.echo(
        f"\nNext:\n  1. cd {target}\n  2. pip install -e '.[test]'\n  3. pytest\n  4. README.md says what to change."
    )


def checked(name: str) -> str:
    """The name, if a kind of provider and a package can have it. Raises ``Permanent``."""
    from tasks.providers.table import kinds

    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise Permanent(f"{name!r} cannot be the name: use 2 to 31 of a-z, 0-9 and '_', beginning with a letter")
    if name in kinds():
        raise Permanent(f"there is a kind {name!r} of provider already. Choose another name")
    return name


def paths(name: str) -> dict[str, str]:
    """The files of the package, each with its template."""
    return {path.format(package=f"catchment_{name}"): template for path, template in MONITOR.items()}


def texts(name: str) -> Mapping[str, str]:
    """The text of every file. Nothing of it is run; that it can be read as what it is has been seen."""
    words = {
        "@NAME@": name,
        "@DASHED@": name.replace("_", "-"),
        "@PACKAGE@": f"catchment_{name}",
        "@CLASS@": "".join(part.capitalize() for part in name.split("_")),
        "@UPPER@": name.upper(),
    }
    templates = files("workers.cli") / "templates" / "monitor"
    made: dict[str, str] = {}
    for path, template in paths(name).items():
        text = (templates / template).read_text(encoding="utf-8")
        for word, meaning in words.items():
            text = text.replace(word, meaning)
        if path.endswith(".py"):
            ast.parse(text, path)
        elif path.endswith(".toml"):
            tomllib.loads(text)
        made[path] = text
    return made


def write(made: Mapping[str, str], target: Path) -> None:
    """Write the files as a whole or not at all. Raises ``Permanent`` where the folder is there already."""
    if target.exists() or target.is_symlink():
        raise Permanent(
            f"{target} is there already. Nothing was written: choose another name, or another folder (--into)"
        )
    try:
        beside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        try:
            for path, text in made.items():
                file = beside / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, encoding="utf-8")
            beside.chmod(0o777 & ~_umask())
            # A folder that came to be meanwhile makes this fail, unless it is empty.
            beside.rename(target)
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            raise
    except OSError as mistake:
        raise Permanent(f"{target} cannot be written: {mistake.strerror}") from mistake


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
