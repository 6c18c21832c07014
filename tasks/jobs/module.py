"""Looks at the Python module of a job without running it: its one class, and the methods that it has."""

from __future__ import annotations

import ast
import warnings

from tasks.constraints.xml import Complaint

#: The class that jobs are made of, and the handler that each has.
BASE, REQUIRED = "Job", "job_started_event"
MAX_MODULE = 1024 * 1024
CODE = "E311"


def handlers(text: bytes) -> tuple[frozenset[str], list[Complaint]]:
    """The methods of the module's job class, with all that is wrong with it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except SyntaxError as mistake:
        # Its message may repeat the text, but is plain words.
        where = (mistake.lineno or 1, mistake.offset or 1)
        return frozenset(), [Complaint(CODE, *where, f"this is no Python: {mistake.msg}", "Correct it there")]
    except (ValueError, RecursionError, MemoryError) as mistake:
        return frozenset(), [Complaint(CODE, 1, 1, f"this is no Python: {type(mistake).__name__}", "Correct it")]
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and _is_job(node)]
    if len(classes) != 1:
        line = classes[1].lineno if classes else 1
        what = f"the module has {len(classes)} job classes"
        return frozenset(), [Complaint(CODE, line, 1, what, f"Write one `class …({BASE}):`")]
    found = frozenset(node.name for node in classes[0].body if isinstance(node, ast.FunctionDef))
    if REQUIRED not in found:
        what = f"the class {classes[0].name} has no method {REQUIRED}"
        mend = f"Add `def {REQUIRED}(self):`"
        return found, [Complaint(CODE, classes[0].lineno, classes[0].col_offset + 1, what, mend)]
    return found, []


def _is_job(node: ast.ClassDef) -> bool:
    return any(
        (isinstance(base, ast.Name) and base.id == BASE) or (isinstance(base, ast.Attribute) and base.attr == BASE)
        for base in node.bases
    )
