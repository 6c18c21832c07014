"""YAML that remembers its lines, read by the safe loader and bounded in size and aliases."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

import yaml

#: A file an operator writes by hand is small; more than this is a mistake or an attack.
MAX_BYTES = 4 * 1024 * 1024
#: Values in a file, aliases expanded; the largest sites have some ten thousand.
MAX_NODES = 500_000
#: Aliases multiply (``billion laughs``); hand-written files use a handful.
MAX_ALIASES = 200

Path = tuple[Hashable, ...]


class YamlMistake(ValueError):
    """The text is no usable YAML; ``line`` counts from 1."""

    def __init__(self, line: int | None, what: str) -> None:
        super().__init__(what)
        self.line = line
        self.what = what


@dataclass(slots=True)
class Document:
    """Plain data, and the line on which each part of it stands."""

    data: Any
    lines: dict[Path, int] = field(default_factory=dict)

    def line(self, *path: Hashable) -> int | None:
        """The line of a value by the keys and indexes that lead to it, or of its nearest known parent."""
        while path:
            if path in self.lines:
                return self.lines[path]
            path = path[:-1]
        return self.lines.get((), 1)


def load(content: bytes) -> Document:
    """Read one YAML document.

    Raises :class:`YamlMistake` for bad syntax, bad encoding, a key given twice, more than one document,
    or a text beyond the bounds.
    """
    if len(content) > MAX_BYTES:
        raise YamlMistake(None, f"the file has {len(content)} bytes, more than the {MAX_BYTES} that are read")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as mistake:
        line = content[: mistake.start].count(b"\n") + 1
        raise YamlMistake(line, "the text is not UTF-8") from mistake
    try:
        if sum(isinstance(t, yaml.AliasToken) for t in yaml.scan(text, Loader=yaml.SafeLoader)) > MAX_ALIASES:
            raise YamlMistake(None, f"more than {MAX_ALIASES} aliases")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as mistake:
        mark = mistake.problem_mark or mistake.context_mark
        raise YamlMistake(mark.line + 1 if mark else None, str(mistake.problem or mistake)) from mistake
    except (yaml.YAMLError, ValueError) as mistake:
        raise YamlMistake(None, str(mistake)) from mistake
    except RecursionError as mistake:
        raise YamlMistake(None, "the text is nested too deeply") from mistake
    if node is None:
        return Document(None, {(): 1})
    lines: dict[Path, int] = {}
    loader = yaml.SafeLoader("")
    try:
        data = _construct(loader, node, (), lines)
    except yaml.MarkedYAMLError as mistake:
        mark = mistake.problem_mark or mistake.context_mark
        raise YamlMistake(mark.line + 1 if mark else None, str(mistake.problem or mistake)) from mistake
    finally:
        loader.dispose()
    return Document(data, lines)


def _construct(loader: yaml.SafeLoader, node: yaml.Node, path: Path, lines: dict[Path, int], depth: int = 0) -> Any:
    if depth > 64:
        raise YamlMistake(node.start_mark.line + 1, "the text is nested more than 64 levels deep")
    if len(lines) > MAX_NODES:
        raise YamlMistake(node.start_mark.line + 1, f"the text expands to more than {MAX_NODES} values")
    lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        loader.flatten_mapping(node)
        result: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise YamlMistake(key_node.start_mark.line + 1, "a key must be plain text")
            key = _scalar(loader, key_node)
            if key in result:
                raise YamlMistake(key_node.start_mark.line + 1, f"the key {key!r} is given twice")
            result[key] = _construct(loader, value_node, (*path, key), lines, depth + 1)
            lines[(*path, key)] = key_node.start_mark.line + 1
        return result
    if isinstance(node, yaml.SequenceNode):
        return [_construct(loader, child, (*path, i), lines, depth + 1) for i, child in enumerate(node.value)]
    return _scalar(loader, node)


def _scalar(loader: yaml.SafeLoader, node: yaml.Node) -> Any:
    try:
        return loader.construct_object(node)
    except yaml.MarkedYAMLError as mistake:
        mark = mistake.problem_mark or node.start_mark
        raise YamlMistake(mark.line + 1, str(mistake.problem or mistake)) from mistake
    except ValueError as mistake:
        raise YamlMistake(node.start_mark.line + 1, str(mistake)) from mistake
