"""Deputies in the admin: administrators see and name them for everybody, others have a page of their own."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from executions.admin.display import moment
from executions.admin.people import person
from executions.admin.rows import VisibleAdmin
from executions.exceptions import CombineError, Invalid
from executions.models import Deputy
from executions.services.deputies import end_deputy, name_deputy


class DeputyForm(forms.ModelForm[Deputy]):
    """Who is away, who decides for them, and when. The service says what is wrong with that, and stores it."""

    absent_name = forms.CharField(label="Away", max_length=150, help_text="The name of the account.")
    deputy_name = forms.CharField(label="Deputy", max_length=150, help_text="The name of the account.")
    first_day = forms.DateField(widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}))
    last_day = forms.DateField(
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}), help_text="Days begin and end by UTC."
    )
    actor: User

    class Meta:
        model = Deputy
        fields = ("first_day", "last_day")

    def clean_absent_name(self) -> User:
        found = User.objects.filter(username=self.cleaned_data["absent_name"]).first()
        if found is None:
            raise ValidationError("There is no account of this name.")
        return found

    def clean(self) -> dict[str, Any]:
        """Store it here, so that what the service has against it stands beside the fields."""
        row = self.cleaned_data
        if self.errors:
            return row
        days = {"first_day": row["first_day"], "last_day": row["last_day"], "at": timezone.now()}
        try:
            self.instance = name_deputy(actor=self.actor, absent=row["absent_name"], deputy=row["deputy_name"], **days)
        except Invalid as refused:
            for error in refused.errors:
                field = {"/deputy": "deputy_name"}.get(error.path, error.path.removeprefix("/"))
                self.add_error(field, f"{error.detail[:1].upper()}{error.detail[1:]}.")
        except CombineError as refused:
            self.add_error(None, refused.detail)
        return row

    def _post_clean(self) -> None:
        """There is no row to fill and to check: the service has done both."""


@admin.register(Deputy)
class DeputyAdmin(VisibleAdmin[Deputy]):
    """Named, and ended: nothing about one changes in between, and none is removed."""

    form = DeputyForm
    list_display = ("absent", "deputy", "first_day", "last_day", "ended", "named_by")
    list_select_related = ("absent", "deputy", "named_by")
    search_fields = ("absent__username", "deputy__username")
    actions: Any = ("end_selected",)
    _shown = ("absent", "deputy", "first_day", "last_day", "named_by", "ended")

    def visible_rows(self, rows: QuerySet[Deputy], user: User) -> QuerySet[Deputy]:
        return rows if user.is_superuser else rows.filter(absent=user) | rows.filter(deputy=user)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return person(request).is_superuser

    def get_form(
        self, request: HttpRequest, obj: Deputy | None = None, change: bool = False, **kwargs: Any
    ) -> type[forms.ModelForm[Deputy]]:
        form: Any = super().get_form(request, obj, change, **kwargs)
        form.actor = person(request)
        return form  # type: ignore[no-any-return]

    def get_fields(self, request: HttpRequest, obj: Deputy | None = None) -> tuple[str, ...]:
        return self._shown if obj is not None else ("absent_name", "deputy_name", "first_day", "last_day")

    def get_readonly_fields(self, request: HttpRequest, obj: Deputy | None = None) -> tuple[str, ...]:
        return self._shown if obj is not None else ()

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> Deputy:
        made: Deputy = form.instance
        return made

    def save_model(self, request: HttpRequest, obj: Deputy, form: Any, change: bool) -> None:
        """There is nothing more to save."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """There is nothing more to save."""

    @admin.action(description="End selected deputies now")
    def end_selected(self, request: HttpRequest, rows: QuerySet[Deputy]) -> None:
        for row in rows:
            try:
                end_deputy(actor=person(request), deputy_id=row.pk, at=timezone.now())
            except CombineError as refused:
                self.message_user(request, f"{row}: {refused.detail}", messages.ERROR)
            else:
                self.message_user(request, f"{row}: ended.", messages.SUCCESS)

    @admin.display(description="ended", ordering="ended_at")
    def ended(self, row: Deputy) -> str:
        return moment(row.ended_at)
