"""The brief of a run as people give it on a page: JSON or plain text, typed or as a file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _

from executions.services.executions import MAX_BRIEF_BYTES
from workflows.definition import Definition, DocumentType, ProductionStep
from workflows.jsonfile import UnreadableText, decode, parse_json, unix_lines

_MOST_PROBLEMS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class BriefDocument:
    """A document type that only a brief can give, and the steps that cannot do without it."""

    type_id: str
    doc_type: DocumentType
    needed_by: tuple[str, ...]

    @property
    def needing(self) -> str:
        return ", ".join(self.needed_by)


def brief_documents(definition: Definition) -> list[BriefDocument]:
    """Return what the brief should bring with it, in the order of the definition."""
    return [
        BriefDocument(type_id=type_id, doc_type=doc_type, needed_by=tuple(_needing(definition, type_id)))
        for type_id, doc_type in definition.document_types.items()
        if doc_type.scope == definition.root_scope and definition.producer_of(type_id) is None
    ]


def read_file(file: UploadedFile[bytes]) -> str:
    """Return the text of an uploaded file. :raises ValidationError: it is too large, or no text."""
    if (file.size or 0) > MAX_BRIEF_BYTES:
        raise ValidationError(_("The file is too large: a brief may have %(limit)s bytes.") % {"limit": _limit()})
    try:
        return unix_lines(decode(file.read()))
    except UnreadableText as error:
        raise ValidationError(_("%(problem)s; save it as UTF-8.") % {"problem": _sentence(str(error))}) from error


def read_brief(text: str, *, must_be_json: bool = False) -> dict[str, Any] | None:
    """Return the brief that ``text`` is: a JSON object, or plain text, which becomes its ``description``.

    :raises ValidationError: it is JSON that is wrong, or no object.
    """
    stripped = text.strip()
    if not stripped:
        return None
    if not must_be_json and not stripped.startswith("{") and not _is_json(stripped):
        return {"description": stripped}
    value, problems = parse_json(stripped)
    if problems:
        raise ValidationError([_sentence(problem.detail) for problem in problems[:_MOST_PROBLEMS]])
    if not isinstance(value, dict):
        raise ValidationError(_('The JSON must be an object, such as {"description": "..."}; or write plain text.'))
    return value


def missing(definition: Definition, brief: dict[str, Any] | None) -> Iterator[str]:
    """Say what steps need of the brief and will not find; without it the run would fail, after others were paid."""
    for each in brief_documents(definition):
        if each.needed_by and not isinstance((brief or {}).get(each.type_id), dict):
            yield _("The brief must be JSON with “%(key)s” in it, an object: %(name)s, which %(steps)s needs.") % {
                "key": each.type_id,
                "name": each.doc_type.name,
                "steps": each.needing,
            }


def _needing(definition: Definition, type_id: str) -> Iterator[str]:
    for step in definition.walk():
        if isinstance(step, ProductionStep) and any(ref.doc_type == type_id and ref.required for ref in step.inputs):
            yield step.name


def _is_json(text: str) -> bool:
    """Whether a text that is no object is JSON nevertheless: then something else was meant than plain text."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _limit() -> str:
    return f"{MAX_BRIEF_BYTES:,}"
