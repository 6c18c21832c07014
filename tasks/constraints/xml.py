"""Reads XML from operators without trusting it (spec orchestrate 13): small, plain, and nothing of it is followed.

A first pass through expat refuses what is dangerous before anything is expanded, and builds our own elements with
their places; the published schema is looked at by lxml with everything off that could leave the document.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any
from xml.parsers import expat  # nosec - every dangerous construct is refused by the handlers below

from lxml import etree

#: Bounds of one document.
MAX_BYTES, MAX_DEPTH, MAX_ELEMENTS = 256 * 1024, 32, 2000
MAX_ATTRIBUTES, MAX_ATTRIBUTE = 32, 4096
#: What a document may say of its schema; it is not looked at.
_SCHEMA_HINTS = frozenset({"xmlns:xsi", "xsi:schemaLocation", "xsi:noNamespaceSchemaLocation"})
_SCHEMA = "http://www.w3.org/2001/XMLSchema"
_INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"
#: Complaints of the schema that are passed on, at the most.
_MOST = 20
_WORDS = re.compile(r"\{[^}]*\}")


@dataclass(frozen=True, slots=True)
class Complaint:
    """What is wrong with a document: its code (spec orchestrate 14), where, and how to mend it.

    E1xx is safety, E2xx the grammar, E3xx the meaning, W4xx a warning.
    """

    code: str
    line: int
    column: int
    what: str
    mend: str

    @property
    def severity(self) -> str:
        """``error`` or ``warning``."""
        return "warning" if self.code.startswith("W") else "error"

    def __str__(self) -> str:
        return f"{self.line}:{self.column} {self.code} {self.what}. {self.mend}"


class Refused(Exception):
    """A document that is not read any further."""

    def __init__(self, complaint: Complaint) -> None:
        super().__init__(str(complaint))
        self.complaint = complaint


@dataclass(slots=True)
class Element:
    """One element with the place where it begins: line and column count from 1."""

    name: str
    attributes: dict[str, str]
    line: int
    column: int
    children: list[Element] = field(default_factory=list)

    def complaint(self, code: str, what: str, mend: str) -> Complaint:
        """A complaint about this element."""
        return Complaint(code, self.line, self.column, what, mend)


def parse(content: bytes) -> Element:
    """The root element of a document. Raises :class:`Refused` for one that is unsafe or not well formed."""
    if len(content) > MAX_BYTES:
        raise _refused("E103", f"the document has {len(content)} bytes, more than {MAX_BYTES}", "Split it")
    _check_encoding(content)
    reader = _Reader()
    try:
        reader.parser.Parse(content, True)
    except expat.ExpatError as error:
        line, column = error.lineno, error.offset + 1
        raise Refused(
            Complaint("E106", line, column, f"this is no XML: {expat.ErrorString(error.code)}", "Correct it there")
        ) from error
    except (ValueError, RecursionError) as error:
        raise _refused("E106", f"this cannot be read as XML: {type(error).__name__}", "Correct it") from error
    if reader.root is None:
        raise _refused("E106", "the document is empty", "Write one root element")
    return reader.root


def _refused(code: str, what: str, mend: str) -> Refused:
    return Refused(Complaint(code, 1, 1, what, mend))


def _check_encoding(content: bytes) -> None:
    mend = "Save the file as UTF-8 without a byte order mark"
    if content.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")) or b"\x00" in content:
        raise _refused("E102", "the document is not plain UTF-8", mend)
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise Refused(Complaint("E102", line, 1, "the text is not UTF-8", mend)) from error


class _Reader:
    """The handlers of one parse."""

    def __init__(self) -> None:
        # The encoding is given here, so that no declaration can choose another one.
        self.parser = expat.ParserCreate("utf-8")
        self.root: Element | None = None
        self._open: list[Element] = []
        self._count = 0
        parser = self.parser
        parser.buffer_text = True
        parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        parser.XmlDeclHandler = self._declaration
        parser.StartDoctypeDeclHandler = self._doctype
        parser.EntityDeclHandler = self._doctype
        parser.ExternalEntityRefHandler = self._doctype
        parser.SkippedEntityHandler = self._doctype
        parser.ProcessingInstructionHandler = self._instruction
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text

    def _here(self, code: str, what: str, mend: str) -> Refused:
        return Refused(Complaint(code, self.parser.CurrentLineNumber, self.parser.CurrentColumnNumber + 1, what, mend))

    def _declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding is not None and encoding.lower() not in ("utf-8", "utf8"):
            raise self._here("E102", "the document declares another encoding than UTF-8", "Save it as UTF-8")

    def _doctype(self, *_: Any) -> int:
        raise self._here("E101", "a DOCTYPE, an entity or a reference to one", "Remove it: it is never needed here")

    def _instruction(self, *_: Any) -> None:
        raise self._here("E107", "a processing instruction", "Remove it")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if len(self._open) >= MAX_DEPTH:
            raise self._here("E104", f"elements more than {MAX_DEPTH} deep", "Flatten them")
        if self._count > MAX_ELEMENTS:
            raise self._here("E105", f"more than {MAX_ELEMENTS} elements", "Split the document")
        if len(attributes) > MAX_ATTRIBUTES:
            raise self._here("E105", f"more than {MAX_ATTRIBUTES} attributes", "Remove some")
        if any(len(value) > MAX_ATTRIBUTE for value in attributes.values()):
            raise self._here("E105", f"an attribute of more than {MAX_ATTRIBUTE} characters", "Shorten it")
        line, column = self.parser.CurrentLineNumber, self.parser.CurrentColumnNumber + 1
        own = self._own(name, attributes)
        element = Element(name, own, line, column)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)

    def _own(self, name: str, attributes: dict[str, str]) -> dict[str, str]:
        """The attributes that are no hints at a schema. Namespaces are refused: the grammar has none."""
        hints = _SCHEMA_HINTS if not self._open and attributes.get("xmlns:xsi", _INSTANCE) == _INSTANCE else ()
        own = {key: value for key, value in attributes.items() if key not in hints}
        foreign = [key for key in own if ":" in key or key == "xmlns"]
        if ":" in name or foreign:
            what = f"a namespace: {name if ':' in name else foreign[0]}"
            raise self._here("E207", what[:200], "Remove it: the elements here have none")
        return own

    def _end(self, _name: str) -> None:
        self._open.pop()

    def _text(self, text: str) -> None:
        if text.strip(" \t\r\n"):
            raise self._here("E206", "text between elements", "Remove it, or write it as a comment")


@cache
def schema_text(name: str) -> bytes:
    """A published schema by its file name. Raises ``FileNotFoundError`` for one that is not published."""
    return (resources.files("tasks.constraints") / "schemas" / name).read_bytes()


def schema_names() -> list[str]:
    """The file names of the published schemas."""
    return sorted(found.name for found in (resources.files("tasks.constraints") / "schemas").iterdir())


@cache
def _schema(name: str) -> etree.XMLSchema:
    root = etree.fromstring(schema_text(name), _parser())
    # Put in place here, those of an included one too, so that nothing is ever looked for by an address.
    while (include := root.find(f"{{{_SCHEMA}}}include")) is not None:
        root.extend(list(etree.fromstring(schema_text(include.get("schemaLocation", "")), _parser())))
        root.remove(include)
    return etree.XMLSchema(root)


def _parser() -> etree.XMLParser:
    return etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False, recover=False
    )


def against_schema(content: bytes, name: str) -> list[Complaint]:
    """What a published schema has to say of a document that :func:`parse` has let pass."""
    try:
        document = etree.fromstring(content, _parser())
    except etree.XMLSyntaxError as error:
        line, column = error.position
        return [Complaint("E106", line or 1, column or 1, "this is no XML", "Correct it there")]
    schema = _schema(name)
    if schema.validate(document):
        return []
    errors = list(schema.error_log)[:_MOST]  # type: ignore[call-overload]  # the stubs know no iteration of a log
    return [
        Complaint(
            "E200", error.line or 1, error.column or 1, _WORDS.sub("", error.message).rstrip("."), "See the schema"
        )
        for error in errors
    ]
