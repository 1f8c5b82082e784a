"""The forms in which a reviewer says what they think of a document."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.forms import BaseFormSet, formset_factory
from django.http import QueryDict

from documents.rendering import has_place
from executions.models import DecisionKind, Gate
from executions.run_acts import CommentField
from executions.services.decisions import MAX_COMMENT, MAX_COMMENTS, Verdict

MIN_REASON = 10
PLACE_ROWS = 3
MORE_ROWS = "more_rows"
_REASONED = (DecisionKind.REQUEST_CHANGES.value, DecisionKind.REJECT.value)


class VerdictForm(forms.Form):
    """The decision and its reason, and which document was on the page."""

    decision = forms.ChoiceField(
        choices=[(kind.value, kind.label) for kind in DecisionKind if kind != DecisionKind.ANSWER],
        error_messages={"required": "Choose Accept, Request changes or Reject."},
    )
    comment = CommentField(
        label="Reason",
        required=False,
        max_length=MAX_COMMENT,
        widget=forms.Textarea(attrs={"rows": 4, "maxlength": False, "aria-describedby": "reason-help"}),
    )
    document_id = forms.UUIDField(widget=forms.HiddenInput)
    content_sha256 = forms.RegexField("^[0-9a-f]{64}$", widget=forms.HiddenInput)
    # How many had decided here when the page was shown: with one more, the buttons may lead to something else.
    votes = forms.IntegerField(required=False, min_value=0, max_value=100_000, widget=forms.HiddenInput)


class PlaceForm(forms.Form):
    """A comment on one place of the document; left empty it says nothing."""

    path = forms.CharField(
        label="Place",
        required=False,
        strip=True,
        max_length=1_000,
        widget=forms.TextInput(attrs={"list": "places", "placeholder": "/goals/1", "maxlength": False}),
    )
    text = CommentField(
        label="Comment",
        required=False,
        max_length=MAX_COMMENT,
        widget=forms.Textarea(attrs={"rows": 2, "maxlength": False}),
    )

    def __init__(self, *args: Any, content: Any = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._content = content

    def clean_path(self) -> str:
        path: str = self.cleaned_data["path"]
        if path and not has_place(self._content, path):
            raise forms.ValidationError("This document has no such place. Write a JSON Pointer such as /goals/1.")
        return path

    def clean(self) -> dict[str, Any]:
        if self.cleaned_data.get("path") and "text" not in self.errors and not self.cleaned_data.get("text"):
            self.add_error("text", "Say what to change at this place.")
        return self.cleaned_data


class ReviewForms:
    """Everything that one decision is sent with. Rows for places grow on request, without a script."""

    def __init__(
        self,
        *,
        content: Any,
        initial: Mapping[str, Any],
        data: QueryDict | None = None,
        places: Sequence[Mapping[str, str]] = (),
    ) -> None:
        self.verdict = VerdictForm(data, initial=dict(initial))
        rows = formset_factory(
            PlaceForm,
            extra=PLACE_ROWS,
            max_num=MAX_COMMENTS,
            validate_max=True,
            absolute_max=MAX_COMMENTS + PLACE_ROWS,
        )
        self.places: BaseFormSet[PlaceForm] = rows(
            _with_more_rows(data) if data is not None and MORE_ROWS in data else data,
            initial=[dict(row) for row in places],
            prefix="places",
            form_kwargs={"content": content},
        )

    def is_valid(self) -> bool:
        """Check everything; a reason is asked for where the decision sends somebody back to work."""
        is_valid = self.verdict.is_valid() & self.places.is_valid()
        decision = self.verdict.cleaned_data.get("decision")
        reason = self.verdict.cleaned_data.get("comment", "")
        if decision not in _REASONED or self.verdict.has_error("comment") or len(reason) >= MIN_REASON:
            return is_valid
        if decision == DecisionKind.REQUEST_CHANGES and self.comments():
            return is_valid
        detail = f"Give a reason of at least {MIN_REASON} characters: whoever does the work again reads it."
        self.verdict.add_error("comment", detail)
        return False

    def names(self, gate: Gate) -> bool:
        """Whether what was sent is about the document of ``gate``; a form of ours always says."""
        row = getattr(self.verdict, "cleaned_data", {})
        named = (row.get("document_id"), row.get("content_sha256"))
        return named == (gate.document_id, gate.content_sha256) and gate.document_id is not None

    def comments(self) -> list[dict[str, str]]:
        """Return the comments on places that were filled in."""
        rows = (getattr(form, "cleaned_data", {}) for form in self.places.forms)
        return [{"path": row["path"], "text": row["text"]} for row in rows if row.get("text") and "path" in row]

    def to_verdict(self) -> Verdict:
        """Return what the service wants to know; call it on valid forms only."""
        row = self.verdict.cleaned_data
        return Verdict(
            decision=DecisionKind(row["decision"]),
            comment=row["comment"],
            comments=self.comments(),
            document_id=row["document_id"],
            content_sha256=row["content_sha256"],
        )

    @property
    def votes(self) -> int | None:
        """How many decisions the page showed that was sent."""
        found: int | None = self.verdict.cleaned_data.get("votes")
        return found

    def typed(self) -> tuple[str, list[tuple[str, str]]]:
        """Return the reason and the comments as they were typed, valid or not, so that nothing is lost."""
        reason = self.verdict["comment"].value() or ""
        places = ((form["path"].value() or "", form["text"].value() or "") for form in self.places.forms)
        return str(reason), [(str(path), str(text)) for path, text in places if path or text]

    def problems(self) -> list[tuple[str, str]]:
        """Return each error with the id of its input, for the summary on top."""
        if not self.verdict.is_bound:
            return []
        found = _problems(self.verdict, skip={"document_id", "content_sha256", "votes"})
        for form in self.places.forms:
            found += _problems(form)
        return found + [("", str(error)) for error in self.places.non_form_errors()]


def _problems(form: forms.Form, skip: Sequence[str] | set[str] = ()) -> list[tuple[str, str]]:
    return [
        ("" if name == "decision" else (form[name].id_for_label if name in form.fields else ""), str(error))
        for name, errors in form.errors.items()
        if name not in skip
        for error in errors
    ]


def with_values(data: QueryDict, values: Mapping[str, Any]) -> QueryDict:
    """Return what was sent with some fields replaced."""
    copy = data.copy()
    for name, value in values.items():
        copy[name] = str(value)
    return copy


def _with_more_rows(data: QueryDict) -> QueryDict:
    sent = data.get("places-TOTAL_FORMS", "")
    count = int(sent) if re.fullmatch("[0-9]{1,4}", sent) else 0
    return with_values(data, {"places-TOTAL_FORMS": min(count + PLACE_ROWS, MAX_COMMENTS)})
