"""Changes single entries of ``providers.yaml`` as text, so that comments and all other entries stay as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from tasks.model.errors import Permanent
from tasks.site import lines

_KEY = "providers"


class NotEdited(Permanent):
    """The file cannot be changed this way; nothing was written."""


def entry_of(content: bytes, name: str) -> dict[str, Any]:
    """The entry of a provider as it stands in the file, with references and not with secrets.

    Raises :class:`NotEdited` where there is none of that name, or the file is no YAML.
    """
    data = _read(content)
    return dict(_listed(data)[_index(data, name)])


def added(content: bytes, entry: Mapping[str, Any]) -> bytes:
    """The file with one more entry at its end. Raises :class:`NotEdited`."""
    data = _read(content)
    if any(isinstance(known, Mapping) and known.get("name") == entry.get("name") for known in _listed(data)):
        raise NotEdited(f"there is a provider {entry.get('name')!r} already: change it with `catchment providers edit`")
    text = content.decode().rstrip("\n")
    rows = text.split("\n") if text else []
    sequence = _sequence(content)
    if sequence is None:
        key = _key_line(rows)
        if key is None:
            rows += [f"{_KEY}:"]
        elif rows[key].split("#")[0].replace(" ", "") == f"{_KEY}:[]":
            rows[key] = rows[key].replace("[", "", 1).replace("]", "", 1).rstrip()
        elif rows[key].split("#")[0].strip() != f"{_KEY}:":
            raise NotEdited(f"line {key + 1} of providers.yaml is no plain `{_KEY}:`: write it so, with the list below")
        column, end = 2, len(rows)
        if key is not None and key + 1 < len(rows) and _belongs_elsewhere(rows[key + 1 :]):
            end = key + 1
    else:
        column, end = sequence.start_mark.column, _end(rows, sequence.value[-1])
    rows[end:end] = _block(entry, column)
    return _verified(rows, {**(data or {}), _KEY: [*_listed(data), dict(entry)]})


def changed(content: bytes, name: str, keys: Mapping[str, Any]) -> bytes:
    """The file with these keys of an entry set anew, or taken out where None. Raises :class:`NotEdited`."""
    data = _read(content)
    index = _index(data, name)
    wanted = {k: v for k, v in {**_listed(data)[index], **keys}.items() if not (k in keys and v is None)}
    rows, node = content.decode().rstrip("\n").split("\n"), _node(content, index)
    column = _dash(rows, node)
    if node.flow_style:
        rows[node.start_mark.line : _end(rows, node)] = _block(wanted, column)
    else:
        inner = node.start_mark.column
        spans = {key.value: (key.start_mark.line, _end(rows, value)) for key, value in node.value}
        behind = _end(rows, node)
        # From the last line up, so that the lines before keep their numbers.
        rows[behind:behind] = [
            line for k, v in keys.items() if k not in spans and v is not None for line in _dumped({k: v}, inner)
        ]
        for key in sorted((k for k in keys if k in spans), key=lambda k: spans[k], reverse=True):
            first, last = spans[key]
            fresh = [] if keys[key] is None else _dumped({key: keys[key]}, inner)
            if first == node.start_mark.line:
                if not fresh:
                    raise NotEdited(f"{key} is the first key of the entry: take it out with an editor")
                fresh[0] = rows[first][:inner] + fresh[0][inner:]
            rows[first:last] = fresh
    entries: list[Any] = list(_listed(data))
    entries[index] = wanted
    return _verified(rows, {**data, _KEY: entries})


def removed(content: bytes, name: str) -> bytes:
    """The file without an entry. Comments above it stay. Raises :class:`NotEdited`."""
    data = _read(content)
    index = _index(data, name)
    rows, node = content.decode().rstrip("\n").split("\n"), _node(content, index)
    del rows[node.start_mark.line : _end(rows, node)]
    rest = [entry for place, entry in enumerate(_listed(data)) if place != index]
    return _verified(rows, {**data, _KEY: rest or None})


def text_of(entry: Mapping[str, Any]) -> str:
    """An entry as it is written below ``providers:``."""
    return "\n".join(_block(entry, 2)) + "\n"


def _read(content: bytes) -> Any:
    try:
        return lines.load(content).data
    except lines.YamlMistake as mistake:
        raise NotEdited(
            f"providers.yaml:{mistake.line or 1} is no YAML: mend it first, see `catchment check`"
        ) from None


def _listed(data: Any) -> Sequence[Any]:
    found = data.get(_KEY) if isinstance(data, Mapping) else None
    if (data is not None and not isinstance(data, Mapping)) or not isinstance(found, list | None):
        raise NotEdited("providers.yaml holds no list of providers: mend it first, see `catchment check`")
    return found or []


def _index(data: Any, name: str) -> int:
    for index, entry in enumerate(_listed(data)):
        if isinstance(entry, Mapping) and entry.get("name") == name:
            return index
    known = ", ".join(str(e["name"]) for e in _listed(data) if isinstance(e, Mapping) and "name" in e) or "none"
    raise NotEdited(f"providers.yaml has no provider {name!r}. It names: {known}")


def _sequence(content: bytes) -> yaml.SequenceNode | None:
    """The list of providers in the text; None where it is empty. Raises where it is written in one line."""
    root = yaml.compose(content.decode(), Loader=yaml.SafeLoader)
    for key, value in root.value if isinstance(root, yaml.MappingNode) else ():
        if key.value == _KEY and isinstance(value, yaml.SequenceNode):
            if value.flow_style and value.value:
                raise NotEdited(
                    "providers.yaml holds its list in brackets: write one provider below the other, with dashes"
                )
            return value if value.value else None
    return None


def _node(content: bytes, index: int) -> yaml.MappingNode:
    sequence = _sequence(content)
    node = sequence.value[index] if sequence is not None else None
    if not isinstance(node, yaml.MappingNode):
        raise NotEdited("the entry is no mapping: mend it first, see `catchment check`")
    return node


def _dash(rows: Sequence[str], node: yaml.Node) -> int:
    """The column of the dash before an entry. An entry that begins on another line is left to an editor."""
    before = rows[node.start_mark.line][: node.start_mark.column]
    if before.strip() != "-":
        raise NotEdited("the entry is written in a way that this command does not know: change it with an editor")
    return before.index("-")


def _end(rows: Sequence[str], node: yaml.Node) -> int:
    """The line behind a node; blank lines and comments behind it are no part of it."""
    end = node.end_mark.line + (1 if node.end_mark.column > 0 else 0)
    end = min(end, len(rows))
    if node.end_mark.line < len(rows) and not rows[node.end_mark.line][: node.end_mark.column].strip():
        end = min(node.end_mark.line, len(rows))
    while end - 1 > node.start_mark.line and (not rows[end - 1].strip() or rows[end - 1].lstrip().startswith("#")):
        end -= 1
    return end


def _key_line(rows: Sequence[str]) -> int | None:
    return next((n for n, row in enumerate(rows) if row.startswith(f"{_KEY}:")), None)


def _belongs_elsewhere(rows: Sequence[str]) -> bool:
    """Whether another key follows behind an empty list."""
    return any(row.strip() and not row.startswith((" ", "#", "-")) for row in rows)


def _block(entry: Mapping[str, Any], column: int) -> list[str]:
    first, *rest = _dumped(entry, column + 2)
    return [f"{' ' * column}- {first.lstrip()}", *rest]


def _dumped(entry: Mapping[str, Any], column: int) -> list[str]:
    text = yaml.safe_dump(dict(entry), sort_keys=False, allow_unicode=True, width=110, default_flow_style=False)
    return [f"{' ' * column}{row}" if row else row for row in text.rstrip("\n").split("\n")]


def _verified(rows: Sequence[str], wanted: Any) -> bytes:
    """The text, after it was seen to say what it should, and nothing else to be changed."""
    content = ("\n".join(rows).rstrip("\n") + "\n").encode()
    if _read(content) != wanted:
        raise NotEdited("providers.yaml is written in a way that this command does not know: change it with an editor")
    return content
