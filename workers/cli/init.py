"""``catchment init``: write a commented site to start from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import click

from tasks.site.load import site_root
from tasks.site.sample import sample_toml


@dataclass(frozen=True, slots=True)
class _File:
    """A file of the new site: its text comes from ``templates/``, or is made (None)."""

    path: str
    template: str | None
    mode: int = 0o644


#: What ``init`` writes, in order.
FILES = (
    _File("catchment.toml", None),
    _File("providers.yaml", "providers.yaml.tmpl"),
    # Passwords will stand in it.
    _File("clouds.yaml", "clouds.yaml.tmpl", 0o600),
    _File("policies/example.yaml", "policy.yaml.tmpl"),
    _File("alerts/example.yaml", "alert.yaml.tmpl"),
    _File("scripts/show_event", "show_event.tmpl", 0o755),
    _File("automate/README.md", "automate.md.tmpl"),
)


@click.command("init")
@click.argument("folder", metavar="[DIR]", required=False)
@click.option("--force", is_flag=True, help="Write over files that are there.")
def init(folder: str | None, force: bool) -> None:
    """Write a commented site into DIR (default: $CATCHMENT_SITE, else ./site)."""
    root = site_root(folder)
    there = [file.path for file in FILES if (root / file.path).exists() or (root / file.path).is_symlink()]
    if there and not force:
        raise click.ClickException(
            f"{root} already has {', '.join(there)}. Nothing was written: name another folder, "
            "or write over them with --force."
        )
    try:
        write_site(root)
    except OSError as mistake:
        raise click.ClickException(f"{mistake.filename or root} cannot be written: {mistake.strerror}") from mistake
    click.echo(f"Wrote a site to {root}:")
    for file in FILES:
        click.echo(f"  {file.path}")
    _say_what_next(root)


def write_site(root: Path) -> None:
    """Write every file of the new site. Raises ``OSError`` naming what cannot be written."""
    for path, (text, mode) in texts().items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        # Not through a link: it may lead anywhere.
        target.unlink(missing_ok=True)
        target.touch(mode=mode)
        target.write_text(text, encoding="utf-8")
        target.chmod(mode)


def texts() -> Mapping[str, tuple[str, int]]:
    """The text and mode of every file of the new site, by its path."""
    templates = files("workers.cli") / "templates"
    return {
        file.path: (
            sample_toml() if file.template is None else (templates / file.template).read_text(encoding="utf-8"),
            file.mode,
        )
        for file in FILES
    }


def _say_what_next(root: Path) -> None:
    option = "" if root == site_root() else f" --site {root}"
    click.echo(
        "\nNext:\n"
        f"  1. For OpenStack, say in {root / 'clouds.yaml'} how to sign in to your cloud.\n"
        f"  2. Take the # away before your provider in {root / 'providers.yaml'}; an oVirt engine says there how.\n"
        f"  3. catchment check{option}"
    )
