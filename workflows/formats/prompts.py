"""Role and task prompts of a step: found by exact file stem, their texts taken into the definition."""

from __future__ import annotations

from workflows.formats.reading import Context, shown
from workflows.jsonfile import text_problem
from workflows.library import Shelf, Unusable


def role_text(context: Context, name: str, path: str) -> str:
    """Return the text of the role prompt ``name``, or note why there is none."""
    return _text(context, context.library.roles, name, path, "MISSING_ROLE")


def task_text(context: Context, name: str, path: str) -> str:
    """Return the text of the task prompt ``name``, or note why there is none."""
    return _text(context, context.library.tasks, name, path, "MISSING_PROMPT")


def _text(context: Context, shelf: Shelf, name: str, path: str, missing: str) -> str:
    if not name:
        return ""
    files = shelf.find(name)
    if not files:
        context.found.error(missing, path, shelf.missing(name))
        return ""
    if len(files) > 1:
        paths = " and ".join(file.path for file in files)
        context.found.error("AMBIGUOUS_PROMPT", path, f"{shown(name)} could be {paths}; keep one of them")
        return ""
    file = files[0]
    context.check_manifest(file, path)
    try:
        text = file.text()
    except Unusable as error:
        context.found.error("BAD_FILE", path, f"{file.path} {error}")
        return ""
    problem = text_problem(text) or (None if text.strip() else "is empty")
    if problem is not None:
        context.found.error("BAD_TEXT", path, f"{file.path} {problem}")
    return text
