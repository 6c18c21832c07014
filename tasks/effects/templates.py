"""Templates of mails: read from ``templates/`` with the site, filled for one effect.

``NAME.txt`` is a mail: its first line the subject, a blank one, then the text; ``NAME.html`` beside it says the same
in HTML. Files whose names begin with ``_`` are pieces for others to include. Only these files can be included.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from jinja2 import FunctionLoader, StrictUndefined, TemplateError, TemplateNotFound, TemplateSyntaxError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from tasks.effects.contracts import EffectContext
from tasks.effects.secrets import redact_text
from tasks.model.errors import Permanent
from tasks.site.contracts import Part, Problem, SiteContext

FOLDER = "templates"
#: The largest file, and the largest text that comes of one, in bytes.
MAX_BYTES = 256 * 1024

_NAME = re.compile(r"_?[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_SUBJECT = re.compile(r"subject:[ \t]*(\S.*)", re.IGNORECASE)
#: Stands behind the name of a file for its two halves.
_FIRST, _REST = "#subject", "#text"


class Written(NamedTuple):
    """A filled template."""

    subject: str
    text: str
    html: str | None


class Templates:
    """The templates of a site, by the names of their files without ``.txt``."""

    def __init__(self, sources: Mapping[str, str]) -> None:
        self._sources = sources
        self.names = sorted(name.removesuffix(f".txt{_FIRST}") for name in sources if name.endswith(_FIRST))
        self._environment = self._made(html=False)
        # A piece of text in a mail in HTML is escaped as well: what it fills in may come from a cloud.
        self._html = self._made(html=True)

    def __len__(self) -> int:
        return len(self.names)

    def _made(self, *, html: bool) -> ImmutableSandboxedEnvironment:
        return ImmutableSandboxedEnvironment(
            loader=FunctionLoader(self._source), autoescape=html, undefined=StrictUndefined, auto_reload=False
        )

    def fill(self, name: str, context: EffectContext) -> Written:
        """Fill a template with what an effect may know: ``event``, ``target``, ``rule`` and ``key``.

        Raises ``Permanent`` for one that does not exist, and with file and line for one that cannot be filled.
        """
        if name not in self.names:
            listed = f"there are {', '.join(self.names)}" if self.names else "the site has none"
            raise Permanent(f"{FOLDER}/{name}.txt does not exist: {listed}")
        values = {
            "event": dict(context.event),
            "target": dict(context.target) if context.target else None,
            "rule": dict(context.rule),
            "key": context.key,
        }
        subject = self._fill(f"{name}.txt{_FIRST}", values)
        html = self._fill(f"{name}.html", values) if f"{name}.html" in self._sources else None
        # A line end in an object's name must not make two lines of the subject.
        return Written(" ".join(subject.split()), self._fill(f"{name}.txt{_REST}", values).lstrip("\n"), html)

    def mistakes(self) -> Iterator[tuple[str, int, str]]:
        """Path, line and words of everything that can be told without values."""
        for name, source in self._sources.items():
            path = _path(name)
            try:
                self._environment.compile(source, name, path)
                for other in meta.find_referenced_templates(self._environment.parse(source)):
                    if other is None or other not in self._sources:
                        yield path, _line_of(source, other), f"there is no {FOLDER}/{other or '…'} to include"
            except TemplateSyntaxError as mistake:
                yield path, mistake.lineno, mistake.message or "it cannot be read"
            except RecursionError:
                yield path, 1, "it is nested too deeply"

    def _source(self, name: str) -> tuple[str, str, Callable[[], bool]] | None:
        source = self._sources.get(name)
        return None if source is None else (source, _path(name), lambda: True)

    def _fill(self, name: str, values: Mapping[str, Any]) -> str:
        try:
            environment = self._html if name.endswith(".html") else self._environment
            whole = _bounded(environment.get_template(name).generate(values))
        except TemplateNotFound as mistake:
            raise Permanent(f"{_path(name)} includes {mistake.name}, which is not in {FOLDER}/") from None
        except Exception as mistake:  # noqa: BLE001 - whatever a template does to itself, nothing of the mail is sent
            kind = "" if isinstance(mistake, TemplateError) else f"{type(mistake).__name__}: "
            said = redact_text(f"{kind}{mistake}", limit=300)
            raise Permanent(f"{_place(mistake, name)}: {said}. Correct the template") from None
        if whole is None:
            raise Permanent(f"{_path(name)} makes more than {MAX_BYTES} bytes: shorten it")
        return whole


def _bounded(pieces: Iterable[str]) -> str | None:
    """The pieces as one text, None where it is too long."""
    whole, size = list[str](), 0
    for piece in pieces:
        size += len(piece.encode("utf-8", "replace"))
        if size > MAX_BYTES:
            return None
        whole.append(piece)
    return "".join(whole)


def _path(name: str) -> str:
    return f"{FOLDER}/{name.partition('#')[0]}"


def _place(mistake: Exception, name: str) -> str:
    """Path and line of the innermost template that a mistake was made in."""
    frames = [f for f in traceback.extract_tb(mistake.__traceback__) if f.filename.startswith(f"{FOLDER}/")]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else _path(name)


def _line_of(source: str, word: str | None) -> int:
    at = source.find(word) if word else -1
    return source.count("\n", 0, at) + 1 if at >= 0 else 1


def read(files: Mapping[str, bytes], context: SiteContext) -> tuple[Templates, list[Problem]]:
    """The templates of the files, with all problems found."""
    sources: dict[str, str] = {}
    problems: list[Problem] = []
    for path in sorted(files):
        try:
            sources |= _sources(path, files)
        except _Mistake as mistake:
            problems.append(Problem(path, mistake.line, mistake.what, mistake.mend))
    made = Templates(sources)
    problems += [Problem(path, line, what, "Correct the template.") for path, line, what in made.mistakes()]
    return made, problems


PART = Part(name=FOLDER, patterns=(f"{FOLDER}/*.txt", f"{FOLDER}/*.html"), read=read)


class _Mistake(ValueError):
    def __init__(self, line: int | None, what: str, mend: str) -> None:
        super().__init__(what)
        self.line, self.what, self.mend = line, what, mend


def _sources(path: str, files: Mapping[str, bytes]) -> dict[str, str]:
    """What a file gives: a piece as it is, a mail in its two halves."""
    name = PurePosixPath(path).name
    if not _NAME.fullmatch(name):
        raise _Mistake(None, "the name of a template has other characters", "Use letters, digits, dots and dashes.")
    if len(files[path]) > MAX_BYTES:
        raise _Mistake(None, f"the file has more than {MAX_BYTES} bytes", "Shorten it.")
    try:
        text = files[path].decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as mistake:
        line = files[path].count(b"\n", 0, mistake.start) + 1
        raise _Mistake(line, "the text is not UTF-8", "Save it as UTF-8.") from None
    if name.startswith("_"):
        return {name: text}
    if name.endswith(".html"):
        if f"{path.removesuffix('.html')}.txt" not in files:
            raise _Mistake(None, "a mail in HTML needs its text beside it", f"Write {name[:-5]}.txt, with the subject.")
        return {name: text}
    first, _, rest = text.partition("\n")
    subject = _SUBJECT.fullmatch(first)
    if subject is None:
        raise _Mistake(1, "the first line is no subject", "Begin with `Subject: …`, then a blank line.")
    blank, _, body = rest.partition("\n")
    if blank.strip():
        raise _Mistake(2, "no blank line stands between subject and text", "Leave the second line blank.")
    # The text keeps the numbers of its lines.
    return {f"{name}{_FIRST}": subject.group(1), f"{name}{_REST}": f"\n\n{body}"}
