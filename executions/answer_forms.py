"""One form for a set of questions, with an input that fits each."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms import BoundField
from django.http import QueryDict

from documents.rendering import visible
from executions.exceptions import FieldError
from executions.llm.clarification import MAX_ANSWER_TEXT, PRIORITIES
from executions.run_acts import CommentField

JSON = dict[str, Any]
_PREFIX = "answer-"
_ASSUME = "assume-"
_YES_NO = (("true", "Yes"), ("false", "No"))
_NO_ANSWER = ("", "No answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One question as it is shown: its texts, its input, and what is assumed without an answer.

    ``assume`` is the box by which the assumption is taken on purpose, where there is one.
    """

    question_id: str
    text: str
    intent: str
    priority: str
    is_required: bool
    is_group: bool
    assumption: str
    field: BoundField
    assume: BoundField | None

    @property
    def is_given(self) -> bool:
        """Whether something stands in the input, or its assumption is taken."""
        is_assumed = self.assume is not None and bool(self.assume.value())
        return is_assumed or self.field.value() not in (None, "", [])


class NumberField(forms.DecimalField):
    """A JSON number: an integer where it is one."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.NumberInput(attrs={"step": "any", "inputmode": "decimal"})
        super().__init__(max_digits=40, widget=widget, **kwargs)

    def clean(self, value: Any) -> Any:
        number = super().clean(value)
        if not isinstance(number, Decimal):
            return None
        return int(number) if number == number.to_integral_value() else float(number)


class DayField(forms.DateField):
    """A JSON date: its ISO form."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}), **kwargs)

    def clean(self, value: Any) -> Any:
        day = super().clean(value)
        return day.isoformat() if day is not None else None


class ObjectField(CommentField):
    """A JSON object, typed as text."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.Textarea(attrs={"rows": 5, "class": "code", "spellcheck": "false", "placeholder": "{ }"})
        super().__init__(max_length=MAX_ANSWER_TEXT, widget=widget, **kwargs)

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if not text:
            return None
        try:
            parsed = json.loads(text, parse_constant=_refuse_constant)
        except json.JSONDecodeError as error:
            raise ValidationError(
                f"This is no JSON: {error.msg} in line {error.lineno}, column {error.colno}."
            ) from None
        except (ValueError, RecursionError):
            raise ValidationError("This is no JSON that can be stored.") from None
        if not isinstance(parsed, dict):
            raise ValidationError('This must be a JSON object, such as {"key": "value"}.')
        return parsed


class AnswersForm(forms.Form):
    """All questions of a gate on one page. ``answers()`` has the JSON values that the service checks.

    ``kept`` is what somebody has typed before, as :func:`typed_answers` returns it: shown, and not judged.
    """

    def __init__(
        self, questions: Sequence[JSON], data: QueryDict | None = None, *, kept: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(data, initial=_initial(questions, kept or {}))
        self._questions = sorted(questions, key=_rank)
        for question in self._questions:
            make = INPUTS.get(question["answer_type"], _text_field)
            field = self.fields[_PREFIX + question["id"]] = make(question, bool(question["required"]))
            # Said of the input, too, where a template shows it by the id that Django gives to help texts.
            field.help_text = visible(question.get("intent") or "")
            if _has_default(question):
                self.fields[_ASSUME + question["id"]] = forms.BooleanField(required=False)

    def clean(self) -> dict[str, Any]:
        # What stands in the input of an assumed question is not sent, so it cannot be wrong.
        for question in self._questions:
            if self.cleaned_data.get(_ASSUME + question["id"]):
                self.errors.pop(_PREFIX + question["id"], None)
        return self.cleaned_data

    def asked(self) -> list[Asked]:
        """Return the questions, required ones first, then by priority."""
        return [
            Asked(
                question_id=question["id"],
                text=visible(question["text"]),
                intent=visible(question.get("intent") or ""),
                priority=question.get("priority") or "",
                is_required=bool(question["required"]),
                is_group=question["answer_type"] in ("single_choice", "yes_no", "multi_choice"),
                assumption=visible(answer_in_words(question, question.get("default"))),
                field=self[_PREFIX + question["id"]],
                assume=self[_ASSUME + question["id"]] if _has_default(question) else None,
            )
            for question in self._questions
        ]

    def answers(self) -> JSON:
        """Return the answers by question id; ``None`` leaves a question open."""
        given = {}
        for question in self._questions:
            is_assumed = self.is_assumed(question["id"])
            given[question["id"]] = question["default"] if is_assumed else self.cleaned_data[_PREFIX + question["id"]]
        return {key: None if value in ("", []) else value for key, value in given.items()}

    def is_assumed(self, question_id: str) -> bool:
        """Whether the assumption is taken as the answer; call it on a form that was checked."""
        return bool(self.cleaned_data.get(_ASSUME + question_id))

    def take_errors(self, errors: Sequence[FieldError]) -> None:
        """Put the service's findings to the questions they are about."""
        for error in errors:
            question_id = error.path.removeprefix("/answers/").split("/")[0]
            name = _PREFIX + question_id
            self.add_error(name if name in self.fields else None, f"This {error.detail}.")

    def problems(self) -> list[tuple[str, str, str]]:
        """Return each error with its input's id and its question, for the summary on top."""
        if not self.is_bound:
            return []
        asked = {each.field.name: each for each in self.asked()}
        found = []
        for name, errors in self.errors.items():
            one = asked.get(name)
            anchor = f"question-{one.question_id}" if one is not None else ""
            found += [(anchor, one.text if one is not None else "", str(error)) for error in errors]
        return found


def typed_answers(questions: Sequence[JSON], data: QueryDict) -> JSON:
    """Return what was typed, right or wrong, as JSON that a draft can hold: by question id, as it was sent."""
    typed = {
        question["id"]: [_plain(text) for text in data.getlist(_PREFIX + question["id"])] for question in questions
    }
    assumed = [question["id"] for question in questions if data.get(_ASSUME + question["id"])]
    return {"answers": {key: values for key, values in typed.items() if any(values)}, "assumed": assumed}


def typed_in_words(question: Mapping[str, Any], kept: Mapping[str, Any]) -> str:
    """Say what a draft holds for ``question``, in words; empty where it holds nothing."""
    if question["id"] in _listed(kept, "assumed"):
        return answer_in_words(question, question.get("default"))
    values = _typed(kept, question["id"])
    if question["answer_type"] == "yes_no":
        return ", ".join(label for value, label in _YES_NO if value in values)
    if question["answer_type"] in ("single_choice", "multi_choice"):
        return ", ".join(label for at, label in _choices(dict(question)) if at in values)
    return "\n".join(values)


def answer_in_words(question: Mapping[str, Any], value: Any) -> str:
    """Say an answer, or a default, in the words of its question."""
    if value in (None, "", []):
        return ""
    labels = {choice["value"]: choice["label"] for choice in question.get("choices") or ()}
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, list):
        return ", ".join(str(labels.get(each, each)) if isinstance(each, str) else json.dumps(each) for each in value)
    if isinstance(value, str):
        return str(labels.get(value, value))
    return json.dumps(value, ensure_ascii=False)


def _initial(questions: Sequence[JSON], kept: Mapping[str, Any]) -> JSON:
    """Return what stands in the inputs to begin with: what was kept, as it was sent."""
    found: JSON = {}
    for question in questions:
        values = _typed(kept, question["id"])
        if values:
            found[_PREFIX + question["id"]] = values if question["answer_type"] == "multi_choice" else values[0]
        found[_ASSUME + question["id"]] = question["id"] in _listed(kept, "assumed")
    return found


def _typed(kept: Mapping[str, Any], question_id: str) -> list[str]:
    """Return the texts that are kept for a question. What a draft holds is read as if a stranger had written it."""
    answers = kept.get("answers")
    values = answers.get(question_id) if isinstance(answers, Mapping) else None
    return [value for value in values if isinstance(value, str)] if isinstance(values, list) else []


def _listed(kept: Mapping[str, Any], name: str) -> list[Any]:
    values = kept.get(name)
    return values if isinstance(values, list) else []


def _plain(text: str) -> str:
    # A browser sends a line end as two characters; an input shows it as one.
    return text.replace("\r\n", "\n")


def _has_default(question: Mapping[str, Any]) -> bool:
    return question.get("default") not in (None, "", [])


def _rank(question: Mapping[str, Any]) -> tuple[bool, int]:
    priority = question.get("priority")
    return not question["required"], PRIORITIES.index(priority) if priority in PRIORITIES else len(PRIORITIES)


def _choices(question: JSON) -> list[tuple[str, str]]:
    return [(str(at), visible(choice["label"])) for at, choice in enumerate(question.get("choices") or ())]


def _value(question: JSON) -> Callable[[str], Any]:
    """Choices travel by number: a value may hold anything, a browser changes line ends."""
    values = [choice["value"] for choice in question.get("choices") or ()]
    return lambda at: values[int(at)]


def _single_field(question: JSON, is_required: bool) -> forms.Field:
    choices = _choices(question) if is_required else [*_choices(question), _NO_ANSWER]
    return forms.TypedChoiceField(
        choices=choices, coerce=_value(question), empty_value=None, required=is_required, widget=forms.RadioSelect
    )


def _yes_no_field(question: JSON, is_required: bool) -> forms.Field:
    return forms.TypedChoiceField(
        choices=_YES_NO if is_required else (*_YES_NO, _NO_ANSWER),
        coerce=lambda text: text == "true",
        empty_value=None,
        required=is_required,
        widget=forms.RadioSelect,
    )


def _multi_field(question: JSON, is_required: bool) -> forms.Field:
    return forms.TypedMultipleChoiceField(
        choices=_choices(question),
        coerce=_value(question),
        empty_value=None,
        required=is_required,
        widget=forms.CheckboxSelectMultiple,
    )


def _text_field(question: JSON, is_required: bool) -> forms.Field:
    widget = forms.Textarea(attrs={"rows": 4, "maxlength": False})
    return CommentField(required=is_required, max_length=MAX_ANSWER_TEXT, widget=widget)


def _uuid_field(question: JSON, is_required: bool) -> forms.Field:
    return forms.CharField(required=is_required, max_length=100, widget=forms.TextInput(attrs={"class": "code"}))


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


INPUTS: dict[str, Callable[[JSON, bool], forms.Field]] = {
    "single_choice": _single_field,
    "multi_choice": _multi_field,
    "yes_no": _yes_no_field,
    "number": lambda question, is_required: NumberField(required=is_required),
    "date": lambda question, is_required: DayField(required=is_required),
    "uuid": _uuid_field,
    "json_object": lambda question, is_required: ObjectField(required=is_required),
    "free_text": _text_field,
}
