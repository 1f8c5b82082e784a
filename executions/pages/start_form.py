"""The form that starts a run. What values mean is checked by the service; here they are read."""

from __future__ import annotations

import hashlib
import json
import uuid
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest, QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from executions.exceptions import FieldError
from executions.pages.brief import missing, read_brief, read_file
from executions.services.executions import MAX_BUDGET, PROJECT_ID, NewExecution
from workflows.definition import Definition
from workflows.jsonfile import unix_lines

# A file that turned out to be wrong is shown in the text box, to be put right there, unless it is long.
MOST_TEXT_SHOWN = 100_000

_FIELDS = {"/project_id": "project", "/initial_context": "brief", "/budget_usd": "budget"}


class StartForm(forms.Form):
    """``key`` names this opening of the form, so that sending it twice starts one run."""

    key = forms.CharField(max_length=100, widget=forms.HiddenInput)
    project = forms.CharField(
        label=gettext_lazy("Project"),
        max_length=64,
        widget=forms.TextInput(attrs={"list": "projects", "autocomplete": "off", "spellcheck": "false"}),
        help_text=gettext_lazy(
            "An existing project, or a new name: up to 64 letters, digits, dots, dashes and underscores."
        ),
    )
    brief = forms.CharField(
        label=gettext_lazy("Brief"),
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 10}),
        help_text=gettext_lazy("What the documents shall be about: plain text, or a JSON object."),
    )
    file = forms.FileField(
        label=gettext_lazy("Or take the brief from a file"),
        required=False,
        allow_empty_file=True,
        widget=forms.FileInput(attrs={"accept": ".json,.txt,.md,application/json,text/plain,text/markdown"}),
        help_text=gettext_lazy("JSON or text in UTF-8, up to 1 MB."),
    )
    budget = forms.DecimalField(
        label=gettext_lazy("Budget in US dollars"),
        required=False,
        min_value=0,
        max_value=MAX_BUDGET,
        max_digits=20,
        decimal_places=10,
        widget=forms.NumberInput(attrs={"step": "any", "inputmode": "decimal", "class": "short"}),
        help_text=gettext_lazy("A call that could go beyond it is not sent. Empty: no limit."),
    )

    def __init__(self, definition: Definition, request: HttpRequest) -> None:
        initial = {"key": str(uuid.uuid4()), "project": request.GET.get("project", "")[:64]}
        is_sent = request.method == "POST"
        super().__init__(request.POST if is_sent else None, request.FILES if is_sent else None, initial=initial)
        self._definition = definition
        self.value: dict[str, Any] | None = None

    def clean_project(self) -> str:
        project: str = self.cleaned_data["project"].strip()
        if not PROJECT_ID.fullmatch(project):
            raise ValidationError(_("Use 1 to 64 letters, digits, dots, dashes or underscores, without spaces."))
        return project

    def clean(self) -> dict[str, Any]:
        """Read the brief from the box or from the file."""
        row = self.cleaned_data
        text, file = unix_lines(row.get("brief") or ""), row.get("file")
        if "brief" in self.errors or "file" in self.errors:
            return row
        if file is not None and text.strip():
            self.add_error("file", _("Give the brief as text or as a file, not both."))
            return row
        try:
            if file is not None:
                text = read_file(file)
                self._show(text)
            self.value = read_brief(text, must_be_json=file is not None and file.name.lower().endswith(".json"))
            for problem in missing(self._definition, self.value):
                self.add_error("brief", problem)
        except ValidationError as error:
            self.add_error("brief", error)
        return row

    def new_execution(self) -> NewExecution:
        """Return what the service is asked with; call it on a valid form only."""
        row = self.cleaned_data
        return NewExecution(project_id=row["project"], brief=self.value, budget_usd=row["budget"])

    def fingerprint(self) -> str:
        """Return what is the same only if the same opening of the form is sent again, unchanged."""
        row = self.cleaned_data
        parts = [row["key"], row["project"], self.value, str(row["budget"])]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def take_errors(self, errors: list[FieldError]) -> None:
        """Put the service's findings to the fields that they are about."""
        for error in errors:
            root = next((root for root in _FIELDS if error.path.startswith(root)), "")
            place = error.path.removeprefix(root)
            text = f"{place}: {error.detail}" if place else _("This %(problem)s.") % {"problem": error.detail}
            self.add_error(_FIELDS.get(root), text)

    def problems(self) -> list[tuple[str, str]]:
        """Return each error with the id of its input, for the summary on top."""
        return [
            (self[name].id_for_label if name in self.fields else "", str(error))
            for name, errors in self.errors.items()
            for error in errors
        ]

    def _show(self, text: str) -> None:
        """Put the text of a file into the box: a browser forgets the file, and nobody should have to look for it."""
        if len(text) <= MOST_TEXT_SHOWN and isinstance(self.data, QueryDict):
            data = self.data.copy()
            data["brief"] = text
            self.data = data
