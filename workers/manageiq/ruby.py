"""Reads the YAML that ManageIQ exports, with the few tags of Ruby that such files carry, and no others.

Everything becomes plain data: mappings, lists, texts, numbers, dates. No object is ever made.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import yaml

#: Bounds of a file: bytes, levels, values with aliases written out, and aliases.
MAX_BYTES = 5 * 1024 * 1024
MAX_DEPTH = 64
MAX_NODES = 200_000
MAX_ALIASES = 1000
#: Characters of a number or a date: YAML's base-60 numbers take quadratic time.
MAX_FIGURES = 100

_PLAIN = frozenset(
    f"tag:yaml.org,2002:{name}" for name in ("map", "seq", "str", "int", "float", "bool", "null", "timestamp")
)
_EXPRESSION = "!ruby/object:MiqExpression"
_HASH = re.compile(r"!ruby/hash(?:-with-ivars)?(?::[\w:]{1,120})?")
_SYMBOLS = frozenset({"!ruby/symbol", "!ruby/sym"})
#: A symbol without quotes round it: ``:name``, ``:"two words"``.
_SYMBOL = re.compile(r':(?:([A-Za-z_]\w*[?!=]?)|"(.*)"|\'(.*)\')', re.DOTALL)


class UnreadableExport(ValueError):
    """The text is no export that can be read; ``line`` counts from 1."""

    def __init__(self, line: int | None, what: str) -> None:
        super().__init__(what)
        self.line = line
        self.what = what


def load(content: bytes) -> Any:
    """Read one export as plain data. Symbols become texts.

    Raises :class:`UnreadableExport` for bad YAML, for a tag that exports do not carry, and for a text beyond
    the bounds.
    """
    if len(content) > MAX_BYTES:
        raise UnreadableExport(None, f"it has more than the {MAX_BYTES} bytes that are read")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as mistake:
        raise UnreadableExport(content[: mistake.start].count(b"\n") + 1, "it is not UTF-8") from mistake
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            return None if node is None else _Build(loader).value(node, 0)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as mistake:
        mark = mistake.problem_mark or mistake.context_mark
        raise UnreadableExport(mark.line + 1 if mark else None, str(mistake.problem or mistake)) from mistake
    except yaml.YAMLError as mistake:
        raise UnreadableExport(None, " ".join(str(mistake).split())) from mistake


class _Loader(yaml.SafeLoader):
    """The safe loader, which stops composing beyond the bounds. It constructs scalars without a tag only."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.depth = self.nodes = self.aliases = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """One node. Raises :class:`UnreadableExport`."""
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]  # its stubs leave it open
        line = event.start_mark.line + 1 if event.start_mark else None
        self.aliases += self.check_event(yaml.AliasEvent)
        self.nodes += 1
        if self.depth > MAX_DEPTH:
            raise UnreadableExport(line, f"it is nested more than {MAX_DEPTH} levels deep")
        if self.aliases > MAX_ALIASES:
            raise UnreadableExport(line, f"it has more than {MAX_ALIASES} aliases")
        if self.nodes > MAX_NODES:
            raise UnreadableExport(line, f"it has more than {MAX_NODES} values")
        self.depth += 1
        try:
            node: yaml.Node | None = super().compose_node(parent, index)
            return node
        finally:
            self.depth -= 1


class _Build:
    """Makes plain data of nodes, with aliases written out, so that they count."""

    def __init__(self, loader: _Loader) -> None:
        self.loader = loader
        self.made = 0

    def value(self, node: yaml.Node, depth: int) -> Any:
        self.made += 1
        if depth > MAX_DEPTH or self.made > MAX_NODES:
            raise UnreadableExport(_line(node), f"its aliases expand to more than {MAX_NODES} values")
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if isinstance(node, yaml.SequenceNode):
            if node.tag not in _PLAIN:
                raise _unknown(node)
            return [self.value(child, depth + 1) for child in node.value]
        assert isinstance(node, yaml.MappingNode)
        return self._mapping(node, depth)

    def _mapping(self, node: yaml.MappingNode, depth: int) -> Any:
        if node.tag not in _PLAIN and node.tag != _EXPRESSION and not _HASH.fullmatch(node.tag):
            raise _unknown(node)
        made: dict[Hashable, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag.endswith(":merge"):
                raise UnreadableExport(_line(key_node), "a key must be plain text")
            key = self._scalar(key_node)
            if key in made:
                raise UnreadableExport(_line(key_node), f"the key {str(key)[:60]!r} is given twice")
            made[key] = self.value(value_node, depth + 1)
        return made.get("elements", {}) if node.tag.startswith("!ruby/hash-with-ivars") else made

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        if node.tag in _SYMBOLS:
            return node.value.removeprefix(":").strip("\"'")
        if node.tag not in _PLAIN:
            raise _unknown(node)
        symbol = _SYMBOL.fullmatch(node.value) if node.style is None else None
        if symbol is not None:
            return next(name for name in symbol.groups() if name is not None)
        if not node.tag.endswith(":str") and len(node.value) > MAX_FIGURES:
            raise UnreadableExport(_line(node), f"a number or date of more than {MAX_FIGURES} characters")
        try:
            return self.loader.construct_object(node)
        except ValueError as mistake:
            raise UnreadableExport(_line(node), str(mistake)) from mistake
        except (LookupError, AttributeError) as mistake:
            # The library looks for nothing else where a tag says so: `!!bool maybe`, `!!int ""`, `!!timestamp never`.
            raise UnreadableExport(_line(node), f"{node.value[:60]!r} is no {node.tag.rpartition(':')[2]}") from mistake


def _unknown(node: yaml.Node) -> UnreadableExport:
    return UnreadableExport(_line(node), f"the tag {node.tag[:100]!r} is none that an export of policies carries")


def _line(node: yaml.Node) -> int:
    line: int = node.start_mark.line
    return line + 1
