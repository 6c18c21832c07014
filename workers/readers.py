"""The table of the site's parts: which room reads which files, and the kinds of provider it may name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tasks.providers.contracts import ProviderKind
from tasks.site.contracts import Part


def parts() -> Sequence[Part]:
    """The parts of a site, in the order in which they are read.

    The rooms are imported here and not above, so that a command that reads no site starts quickly.
    """
    from tasks.alert import read as alerts
    from tasks.alert.scripts import read as scripts
    from tasks.effects import templates
    from tasks.jobs import read as jobs
    from tasks.policy import read as policies
    from tasks.rules import read as rules
    from tasks.site import profiles
    from tasks.switchboard import read as automate

    return (
        automate.PART,
        templates.PART,
        profiles.PART,
        policies.PART,
        alerts.PART,
        scripts.PART,
        rules.PART,
        jobs.PART,
    )


def kinds() -> Mapping[str, ProviderKind]:
    """The kinds of provider by the word for them in ``providers.yaml``."""
    from tasks.providers import table

    return table.kinds()
