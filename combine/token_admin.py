"""API tokens in the admin site: everybody there sees, makes and revokes their own, administrators everybody's."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from knox.models import AuthToken

from combine.accounts import issue_token
from combine.models import ApiToken
from executions.admin.display import moment
from executions.admin.people import person
from executions.admin.rows import VisibleAdmin

DEFAULT_DAYS = 365
MAX_DAYS = 36_500


class OwnTokenForm(forms.ModelForm[ApiToken]):
    """What a new token is for, and how long it lasts."""

    label = forms.CharField(
        max_length=100, required=False, help_text="What it is for, to tell it from others: a program, a machine."
    )
    days = forms.IntegerField(
        min_value=1, max_value=MAX_DAYS, initial=DEFAULT_DAYS, help_text="Days until it ends by itself."
    )

    class Meta:
        model = ApiToken
        fields: tuple[str, ...] = ()


class TokenForm(OwnTokenForm):
    """The same, and whose it is: for administrators."""

    owner = forms.CharField(
        max_length=150, help_text="The account that it acts as, with all that this account may do and see."
    )

    def clean_owner(self) -> User:
        found = User.objects.filter(username=self.cleaned_data["owner"]).first()
        if found is None:
            raise ValidationError("There is no account of this name.")
        if not found.is_active:
            raise ValidationError("This account is not active.")
        return found


@admin.register(ApiToken)
class ApiTokenAdmin(VisibleAdmin[ApiToken]):
    """A token is made, shown once, and revoked; nothing about it changes in between."""

    list_display = ("purpose", "beginning", "owner", "made", "ends", "used")
    list_display_links = ("purpose",)
    list_select_related = ("user", "note")
    search_fields = ("note__label", "token_key", "user__username")
    ordering = ("-created",)
    actions: Any = ()  # but those of the site: deleting is revoking
    _shown = ("owner", "purpose", "beginning", "made", "ends", "used")

    def visible_rows(self, rows: QuerySet[ApiToken], user: User) -> QuerySet[ApiToken]:
        return rows if user.is_superuser else rows.filter(user=user)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiToken]:
        # Without a role too: who may enter the admin site may have tokens.
        return self.visible_rows(admin.ModelAdmin.get_queryset(self, request), person(request))

    # The site itself lets in active staff only, so that nothing else has to be asked here.

    def has_module_permission(self, request: HttpRequest) -> bool:
        return _may_enter(request)

    def has_view_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        return _may_enter(request) and _is_theirs(request, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return _may_enter(request)

    def has_delete_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        return _may_enter(request) and _is_theirs(request, obj)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions: dict[str, Any] = super().get_actions(request)
        return {name: (function, key, "Revoke selected tokens") for name, (function, key, _) in actions.items()}

    def get_form(
        self, request: HttpRequest, obj: ApiToken | None = None, change: bool = False, **kwargs: Any
    ) -> type[forms.ModelForm[ApiToken]]:
        # Another form, not a hidden field: what a form declares is read from whoever sends it.
        kwargs["form"] = TokenForm if person(request).is_superuser else OwnTokenForm
        return super().get_form(request, obj, change, **kwargs)

    def get_fields(self, request: HttpRequest, obj: ApiToken | None = None) -> tuple[str, ...]:
        if obj is not None:
            return self._shown
        return ("owner", "label", "days") if person(request).is_superuser else ("label", "days")

    def get_readonly_fields(self, request: HttpRequest, obj: ApiToken | None = None) -> tuple[str, ...]:
        return () if obj is None else self._shown

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        # What follows is the token: there is nothing to go on with.
        one_button = {"show_save_and_add_another": False, "show_save_and_continue": False}
        return super().add_view(request, form_url, {**(extra_context or {}), **one_button})

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"owner": person(request).get_username()}

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> ApiToken:
        """Make the token here: what the form would save is an empty row."""
        row = form.cleaned_data
        owner = row.get("owner") or person(request)
        made, text = issue_token(owner, days=row["days"], label=row["label"])
        request.new_token = text  # type: ignore[attr-defined] # for the answer, and for nothing else
        token: ApiToken = ApiToken.objects.get(pk=made.pk)
        return token

    def save_model(self, request: HttpRequest, obj: ApiToken, form: Any, change: bool) -> None:
        """There is nothing more to save."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """There is nothing more to save."""

    def response_add(self, request: HttpRequest, obj: ApiToken, post_url_continue: str | None = None) -> HttpResponse:
        """Show the token, in this answer only: a message would lie in a cookie or a table on its way."""
        context = {
            **self.admin_site.each_context(request),
            "title": "The new API token",
            "opts": self.opts,
            "token": obj,
            "text": request.new_token,  # type: ignore[attr-defined]
        }
        # The admin site has all its answers kept in no cache.
        return TemplateResponse(request, "admin/combine/apitoken/made.html", context)

    @admin.display(description="for", ordering="note__label")
    def purpose(self, token: ApiToken) -> str:
        return token.label or "no label"

    @admin.display(description="begins with", ordering="token_key")
    def beginning(self, token: ApiToken) -> str:
        return f"{token.token_key}…"

    @admin.display(description="owner", ordering="user__username")
    def owner(self, token: ApiToken) -> str:
        return str(token.user.get_username())

    @admin.display(description="made", ordering="created")
    def made(self, token: ApiToken) -> str:
        return moment(token.created)

    @admin.display(description="ends", ordering="expiry")
    def ends(self, token: ApiToken) -> str:
        return f"{moment(token.expiry)} (ended)" if token.is_expired else moment(token.expiry)

    @admin.display(description="last used", ordering="note__last_used_at")
    def used(self, token: ApiToken) -> str:
        return moment(token.last_used_at)


def _may_enter(request: HttpRequest) -> bool:
    return request.user.is_active and request.user.is_staff


def _is_theirs(request: HttpRequest, token: ApiToken | None) -> bool:
    return token is None or request.user.is_superuser or token.user_id == request.user.pk


# The library's own page would show hashes, and new tokens as messages.
admin.site.unregister(AuthToken)
