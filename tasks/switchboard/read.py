"""The site's Automate domains, above the one that Catchment ships."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib import resources
from importlib.resources.abc import Traversable

from tasks.model.errors import SiteInvalid
from tasks.site.contracts import Part, Problem, SiteContext
from tasks.switchboard.container import unpacked
from tasks.switchboard.datastore import Datastore, Domain
from tasks.switchboard.links import check_links, check_methods
from tasks.switchboard.load import load_domain, load_domains
from tasks.switchboard.python import FOLDER as METHODS
from tasks.switchboard.python import load_modules
from tasks.switchboard.text import fold

#: The folder of the site that holds one folder a domain.
FOLDER = "automate"
#: The name of the shipped domain.
SHIPPED = "Catchment"


@lru_cache(maxsize=1)
def shipped_domain() -> Domain:
    """The domain in the package.

    Raises :class:`tasks.model.errors.SiteInvalid` when the package is damaged.
    """
    base = resources.files("tasks.switchboard") / "domain"
    domain, problems = load_domain({f"{SHIPPED}/{p}": c for p, c in _files(base / SHIPPED, "")}, SHIPPED)
    if domain is None:
        raise SiteInvalid(
            "the shipped Automate domain cannot be read, install the package again: "
            + "; ".join(map(str, problems[:5]))
        )
    return domain


def _files(folder: Traversable, above: str) -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _files(entry, f"{above}{entry.name}/")
        elif entry.name.endswith(".yaml"):
            yield f"{above}{entry.name}", entry.read_bytes()


def read_automate(files: Mapping[str, bytes], _: SiteContext) -> tuple[Datastore, list[Problem]]:
    """The datastore: the site's domains by priority, the shipped one below them all.

    With a mistake in a domain the others are still checked; a site with errors is not taken over.
    """
    whole, unreadable = unpacked(files)
    domains, problems = load_domains({path: c for path, c in whole.items() if path.endswith(".yaml")}, FOLDER)
    functions, broken = load_modules(files, f"{FOLDER}/{METHODS}")
    problems += [*unreadable, *_clashes(domains), *broken]
    datastore = Datastore(domains, last=shipped_domain(), functions=functions)
    return datastore, [*problems, *check_links(datastore, domains), *check_methods(datastore, domains)]


def _clashes(domains: list[Domain]) -> Iterator[Problem]:
    names: dict[str, Domain] = {}
    priorities: dict[int, Domain] = {}
    for domain in domains:
        if fold(domain.name) == fold(SHIPPED):
            yield _clash(
                domain,
                f"the name {domain.name} is that of the shipped domain",
                "Give the domain a name of your own: what it holds stands above the shipped one",
                "error",
            )
        if (other := names.setdefault(fold(domain.name), domain)) is not domain:
            yield _clash(
                domain,
                f"the domain {domain.name} is there twice",
                f"Rename one of them; the other is in {other.file}",
                "error",
            )
        if domain.enabled and (other := priorities.setdefault(domain.priority, domain)) is not domain:
            yield _clash(
                domain,
                f"the priority {domain.priority} is that of {other.name} too",
                "The order of their names decides between them: give each a number of its own",
                "warning",
            )


def _clash(domain: Domain, what: str, mend: str, severity: str) -> Problem:
    return Problem(domain.file, None, what, mend, severity)


PART = Part(
    name="automate",
    patterns=(f"{FOLDER}/**/*.yaml", f"{FOLDER}/*.zip", f"{FOLDER}/{METHODS}/*.py"),
    read=read_automate,
)
