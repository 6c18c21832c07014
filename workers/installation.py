"""Where an installation keeps its things: its settings, and the ledger that they name."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from tasks.ledger.session import Ledger
from tasks.model.errors import Permanent, SiteInvalid
from tasks.site import providers, toml
from tasks.site.load import VARIABLE
from tasks.site.settings import Settings
from tasks.site.walk import read_one

#: The ledger of a site that names none, in its ``var`` folder.
LEDGER_FILE = "catchment.db"


def load_settings(root: Path) -> Settings:
    """The settings of the site in ``root``: its ``catchment.toml``, and the environment above it.

    A site without that file goes by the environment and the defaults. Raises
    :class:`tasks.model.errors.SiteInvalid` with every mistake, and for a folder that is no site.
    """
    mend = f"make a site with `catchment init`, or name yours with --site or {VARIABLE}"
    if not root.is_dir():
        raise SiteInvalid(f"the site folder {root} does not exist: {mend}")
    content = read_one(root, toml.FILE)
    settings, problems = toml.settings_of(content)
    if settings is None:
        raise SiteInvalid("\n".join(str(problem) for problem in problems))
    unnamed = not settings.database.get_secret_value()
    if content is None and unnamed and not (root / providers.FILE).is_file():
        raise SiteInvalid(f"{root} is no site folder, it has neither {toml.FILE} nor {providers.FILE}: {mend}")
    return settings


def database_url(settings: Settings, root: Path) -> str:
    """The SQLAlchemy URL of the ledger. A relative SQLite path starts at the site folder.

    Raises :class:`tasks.model.errors.Permanent` for a URL that cannot be read; the text never repeats it,
    for a password may stand in it.
    """
    given = settings.database.get_secret_value()
    if not given:
        return f"sqlite:///{(root / settings.var / LEDGER_FILE).absolute()}"
    try:
        url = make_url(given)
    except (ArgumentError, ValueError):
        raise Permanent(
            "`database` is no SQLAlchemy URL: write postgresql://user:password@host/name or sqlite:///path "
            "in catchment.toml, or in CATCHMENT_DATABASE"
        ) from None
    path = url.database
    if url.get_backend_name() == "sqlite" and path and path != ":memory:" and not path.startswith(("/", "file:")):
        url = url.set(database=str((root / path).absolute()))
    return url.render_as_string(hide_password=False)


def ledger_file(url: str) -> Path | None:
    """The file of an SQLite ledger; None where the ledger is in no file of its own."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database or parsed.database == ":memory:":
        return None
    return None if parsed.database.startswith("file:") else Path(parsed.database)


def open_ledger(settings: Settings, root: Path) -> Ledger:
    """The ledger of the site; the folder of an SQLite file is made where it is missing.

    Nothing is connected yet. Raises :class:`tasks.model.errors.Permanent` where the folder cannot be made.
    """
    url = database_url(settings, root)
    file = ledger_file(url)
    if file is not None:
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as mistake:
            raise Permanent(
                f"the folder {file.parent} for the ledger cannot be made: {mistake.strerror}. Let the user that "
                "runs Catchment write there, or name another one as `var` in catchment.toml"
            ) from mistake
    return Ledger(url)
