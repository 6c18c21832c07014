"""The ``catchment`` command: a group whose commands are loaded when they are called."""

from __future__ import annotations

import os
import sys
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import click


class _Named(NamedTuple):
    """A command by name: the module and attribute that hold it, and what it is for."""

    module: str
    attribute: str
    purpose: str


#: All commands, in the order in which a newcomer meets them. Their words stand here so that help loads none.
COMMANDS = {
    "init": _Named("workers.cli.init", "init", "Write a commented site to start from."),
    "check": _Named("workers.cli.check", "check", "Report every mistake in a site."),
    "demo": _Named("workers.cli.demo", "demo", "Run everything against a simulated cloud."),
    "db": _Named("workers.cli.db", "db", "Bring the ledger's tables up to this release, or check them."),
    "providers": _Named("workers.cli.providers", "providers", "Show how the providers are, try, add and edit them."),
    "new": _Named("workers.cli.new", "new", "Write a package to start a plugin from."),
    "events": _Named("workers.cli.events", "list_events", "List events, or follow them as they come."),
    "why": _Named("workers.cli.why", "tell_why", "Tell why one event led to what it led to."),
    "balance": _Named("workers.cli.balance", "show_balance", "Show whether every event is accounted for."),
    "health": _Named("workers.cli.health", "health", "Say whether each role does its work; for people and probes."),
    "inventory": _Named("workers.cli.inventory", "inventory", "List inventory objects, or show one."),
    "retry": _Named("workers.cli.retry", "retry", "Send dead events and effects on their way again."),
    "convert": _Named("workers.cli.convert", "convert", "Turn raw notifications into events, offline."),
    "simulate": _Named("workers.cli.simulate", "simulate", "Try a site on events in a file; nothing is done."),
    "automate": _Named("workers.cli.automate", "automate", "Look into Automate domains, and try what they lead to."),
    "policies": _Named("workers.cli.policies", "policies", "List policies, and tell what they would conclude."),
    "actions": _Named("workers.cli.actions", "script_actions", "List script actions, and tell what would run."),
    "alerts": _Named("workers.cli.alerts", "alerts", "List incidents, look after them, and close them."),
    "operate": _Named("workers.cli.operations", "operate", "Ask for an operation on an object of a cloud."),
    "operations": _Named("workers.cli.operations", "list_operations", "List operations, and what was decided on them."),
    "requests": _Named("workers.cli.requests", "requests", "List, open, decide and cancel requests."),
    "watch": _Named("workers.cli.watch", "watch", "Run a command for each new event of a lease history, once."),
    "facts": _Named("workers.cli.facts", "show_facts", "Show what is known of an object, since when and from whom."),
    "rules": _Named("workers.cli.rules", "rules", "List rule events, tell why they fired, and try them on facts."),
    "jobs": _Named("workers.cli.jobs", "jobs", "List, run, follow and cancel jobs of the site."),
    "token": _Named("workers.cli.token", "token", "Make and revoke tokens of the API and the pages."),
}


#: Where a command's context keeps whether tracebacks are wanted.
_DEBUG = "catchment.debug"


class Failed(click.ClickException):
    """An error that is told in one red line, with exit status 2."""

    exit_code = 2

    def show(self, file: Any = None) -> None:
        """Print it on standard error."""
        words = "\n".join(
            "".join(c if c.isprintable() else repr(c)[1:-1] for c in line) for line in self.message.splitlines()
        )
        click.secho(f"catchment: {words}", fg="red", err=True, file=file)


class Commands(click.Group):
    """A group that imports a command when it is called, and tells errors of Catchment without a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, loaded now."""
        named = COMMANDS.get(cmd_name)
        if named is None:
            return None
        found: click.Command = getattr(import_module(named.module), named.attribute)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands in the help text, without loading any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, named.purpose) for name, named in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # The reader has seen enough. What is still held back must go nowhere, or Python complains at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(0)
        except Exception as error:
            words = _told(error)
            if words is None:
                raise
            if ctx.meta.get(_DEBUG):
                traceback.print_exc()
            raise Failed(words) from error


def _told(error: BaseException) -> str | None:
    """What an expected error says to an operator; None for one that is no error of ours."""
    from tasks.model.errors import CatchmentError

    if isinstance(error, CatchmentError):
        return str(error)
    if isinstance(error, click.ClickException):
        return error.format_message() if isinstance(error.__cause__, CatchmentError) else None
    return _told_by_database(error) if "sqlalchemy" in sys.modules else None


def _told_by_database(error: BaseException) -> str | None:
    from sqlalchemy.exc import DBAPIError

    if not isinstance(error, DBAPIError):
        return None
    # Its own text repeats the statement with its parameters; the driver's says what happened.
    cause = str(error.orig).strip().splitlines() or [type(error.orig).__name__]
    tables = type(error.orig).__name__ in {"UndefinedTable", "UndefinedColumn"}
    if tables or cause[0].startswith(("no such table", "no such column")):
        return "the ledger's tables are not those of this release: run `catchment db upgrade`"
    return f"the ledger cannot be used: {cause[0]}. Look at `database` in catchment.toml, and whether it is up"


def _version(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        click.echo(f"catchment {version()}")
        context.exit()


def version() -> str:
    """The version of the installed package, or of the source tree that this file lies in."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("catchment")
    except PackageNotFoundError:
        import tomllib

        project = Path(__file__).resolve().parents[2] / "pyproject.toml"
        if not project.is_file():
            return "unknown: the package is not installed"
        return str(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"])


def _point(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    if value is not None:
        # Here and not above, so that help and version stay quick.
        from workers.cli.installation import point

        point(context, parameter, value)


@click.group("catchment", cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--site",
    metavar="DIR",
    expose_value=False,
    callback=_point,
    help="The site folder. Default: $CATCHMENT_SITE, else ./site.",
)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
def catchment(debug: bool) -> None:
    """Catch a private cloud's events and put them to work."""
    click.get_current_context().meta[_DEBUG] = debug


def main() -> None:
    """The entry point of the ``catchment`` command."""
    catchment(prog_name="catchment")


if __name__ == "__main__":
    main()
