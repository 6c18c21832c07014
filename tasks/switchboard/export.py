"""Write a domain back in ManageIQ's own export layout (spec automate 1.1 and H): the same bytes each time.

Works on the files and not on what the engine made of them, so that nothing that only people read is lost.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

import yaml

from tasks.model.errors import SiteInvalid
from tasks.switchboard.load import CLASS_FILE, DOMAIN_FILE, METHODS_FOLDER, NAMESPACE_FILE
from tasks.switchboard.schema import FIELD_KEYS
from tasks.switchboard.sheets import CLASS_KEYS, DOMAIN_KEYS, INSTANCE_KEYS, METHOD_KEYS, NAMESPACE_KEYS

_MARKS = {DOMAIN_FILE: ("domain", DOMAIN_KEYS), NAMESPACE_FILE: ("namespace", NAMESPACE_KEYS)}
#: A zip knows no time before this one; it is the same for all, so that the bytes are.
_EPOCH = (1980, 1, 1, 0, 0, 0)


def exported(files: Mapping[str, bytes], base: str) -> dict[str, bytes]:
    """The files below ``base``, a domain's folder, by their exported path, which begins with the domain's name.

    Classes lie in ``<Name>.class``, instances and methods in files of their lower-cased name, a method's body
    beside it. Raises :class:`tasks.model.errors.SiteInvalid` for a file that is no sheet, or for two that would
    get one name.
    """
    below = {
        PurePosixPath(path).relative_to(base): content for path, content in files.items() if path.startswith(f"{base}/")
    }
    domain = _attributes(below.get(PurePosixPath(DOMAIN_FILE), b""), DOMAIN_FILE)
    top = PurePosixPath(str(domain.get("name") or PurePosixPath(base).name))
    classes = {path.parent: _attributes(c, str(path)) for path, c in below.items() if path.name == CLASS_FILE}
    found: dict[str, bytes] = {}
    for path, content in sorted(below.items()):
        if path.suffix != ".yaml" or path.name.startswith("."):
            continue
        where, kind, keys = _place(path, content, classes)
        _put(found, str(top / where), _sheet(kind, keys, content, str(path)))
        body = next((below[b] for s in (".rb", ".py", ".pl") if (b := path.with_suffix(s)) in below), None)
        if kind == "method" and body is not None:
            suffix = next(s for s in (".rb", ".py", ".pl") if path.with_suffix(s) in below)
            _put(found, str(top / where.with_suffix(suffix)), body)
    return dict(sorted(found.items()))


def zipped(files: Mapping[str, bytes]) -> bytes:
    """Exported files as a zip, the same bytes for the same files."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in sorted(files.items()):
            info = zipfile.ZipInfo(path, _EPOCH)
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(info, content)
    return packed.getvalue()


def _put(found: dict[str, bytes], path: str, content: bytes) -> None:
    if path in found:
        raise SiteInvalid(f"two things would be written to {path}: rename one of them")
    found[path] = content


def _place(
    path: PurePosixPath, content: bytes, classes: Mapping[PurePosixPath, Mapping[str, Any]]
) -> tuple[PurePosixPath, str, tuple[str, ...]]:
    """Where a file goes, what it is, and the order of its attributes."""
    if path.name in _MARKS:
        return path, *_MARKS[path.name]
    folder = path.parent.parent if path.parent.name == METHODS_FOLDER else path.parent
    if folder not in classes:
        raise SiteInvalid(f"{path} is in no class")
    home = folder.parent / f"{classes[folder].get('name') or folder.name.removesuffix('.class')}.class"
    if path.name == CLASS_FILE:
        return home / CLASS_FILE, "class", CLASS_KEYS
    name = str(_attributes(content, str(path)).get("name") or path.stem).lower()
    if path.parent.name == METHODS_FOLDER:
        return home / METHODS_FOLDER / f"{name}.yaml", "method", METHOD_KEYS
    return home / f"{'_' + name[1:] if name.startswith('.') else name}.yaml", "instance", INSTANCE_KEYS


def _document(content: bytes, path: str) -> Mapping[str, Any]:
    try:
        whole = _Loader(content).get_single_data()
    except yaml.YAMLError as mistake:
        raise SiteInvalid(f"{path} cannot be read: {str(mistake)[:200]}") from mistake
    inner = whole.get("object") if isinstance(whole, Mapping) else None
    if not isinstance(inner, Mapping) or not isinstance(inner.get("attributes"), Mapping):
        raise SiteInvalid(f"{path} has no object with attributes")
    return inner


def _attributes(content: bytes, path: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = _document(content, path)["attributes"]
    return found


def _sheet(kind: str, keys: tuple[str, ...], content: bytes, path: str) -> bytes:
    inner = _document(content, path)
    whole: dict[str, Any] = {"attributes": _ordered(inner["attributes"], keys)}
    for section in ("schema", "fields", "inputs"):
        if inner.get(section) is not None:
            whole[section] = [
                {name: _ordered(values, FIELD_KEYS) if isinstance(values, Mapping) else values}
                for row in inner[section]
                for name, values in row.items()
            ]
    outer = {"object_type": kind, "version": 1.0, "object": whole}
    text: str = yaml.dump(
        outer, Dumper=_Dumper, sort_keys=False, default_flow_style=False, allow_unicode=True, width=4096
    )
    return f"---\n{text}".encode()


def _ordered(values: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    """Known keys in their order, unknown ones behind them in theirs."""
    known = {key: values[key] for key in keys if key in values}
    return {**known, **{key: value for key, value in values.items() if key not in known}}


class _Loader(yaml.SafeLoader):
    """Safe, and blind to dates, which a domain holds as text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in known if tag != "tag:yaml.org,2002:timestamp"]
    for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class _Dumper(yaml.SafeDumper):
    """Indents lists as people do, and writes nothing as an alias."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _nothing(dumper: yaml.SafeDumper, _value: None) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:null", "")


_Dumper.add_representer(type(None), _nothing)
