"""What every part of an import works with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from tasks.alert.read import read as read_alerts
from tasks.policy.read import read as read_policies
from tasks.site.contracts import SiteContext
from workers.manageiq.actions import Actions
from workers.manageiq.report import Path, Report

#: What an entry says, in the order of its file.
Entry = dict[str, Any]


@dataclass(slots=True)
class Kit:
    """The site's actions and events, and the report."""

    context: SiteContext
    report: Report = field(default_factory=Report)

    @property
    def actions(self) -> Actions:
        """The writer of actions."""
        return Actions(self.context.actions, self.report)

    def reads(self, noun: str, entries: Sequence[Entry], path: Path) -> bool:
        """Whether the site's own reader takes policies or alerts as they will be written; tells why not."""
        key = {"policy": "policies", "alert": "alerts"}[noun]
        files = {f"{key}/x.yaml": document({key: list(entries)})}
        _, problems = read_policies(files, self.context) if noun == "policy" else read_alerts(files, self.context)
        for problem in problems:
            tell = self.report.left_out if problem.severity == "error" else self.report.changed
            tell(path, f"{problem.what}. {problem.mend}")
        return all(problem.severity != "error" for problem in problems)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        """Write everything out: a file for people has no aliases."""
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Indent lists below their key, as the examples of the docs do."""
        super().increase_indent(flow, False)


def document(data: Mapping[str, Any], comment: str = "") -> bytes:
    """Data as a file of the site. The same data always makes the same bytes."""
    text = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110, default_flow_style=False)
    return f"{comment}{text}".encode()
