"""Accounts and roles in the admin: who somebody is, and which roles they have. For administrators."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, Permission, User
from django.db.models import Count, Field, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from executions.admin.display import moment
from executions.amounts import NOTHING
from executions.models import NoticePreference

MOST_MEMBERS = 200

# Django registers its own; their widgets need inline styles, and have fields without a label.
admin.site.unregister([User, Group])


class NoticePreferenceInline(admin.StackedInline[NoticePreference, User]):
    """People choose this themselves as well, on their own page."""

    model = NoticePreference
    verbose_name_plural = "mail"
    can_delete = False


@admin.register(User)
class AccountAdmin(UserAdmin[User]):
    """Roles are chosen from a list. Django's own permissions are left out: nothing here asks for them."""

    list_display = ("username", "first_name", "last_name", "email", "roles", "is_active", "is_staff", "is_superuser")
    fieldsets = (
        (None, {"fields": ("username", "password_shown")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        (
            "Access",
            {
                "fields": ("is_active", "is_staff", "is_superuser", "groups"),
                "description": "Staff may enter the review desk. Roles say what they see and decide there.",
            },
        ),
        ("Dates", {"fields": ("last_seen", "made")}),
    )
    readonly_fields = ("password_shown", "last_seen", "made")
    filter_horizontal = ()
    inlines = (NoticePreferenceInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).prefetch_related("groups")

    def get_inlines(self, request: HttpRequest, obj: User | None) -> Any:
        # Somebody who is not there yet has nothing to choose.
        return super().get_inlines(request, obj) if obj is not None else ()

    def formfield_for_dbfield(self, db_field: Field[Any, Any], request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "groups":
            # Without the button that opens a window for a new role: roles come with workflows.
            return forms.ModelMultipleChoiceField(
                label="Roles",
                queryset=Group.objects.order_by("name"),
                required=False,
                widget=forms.CheckboxSelectMultiple,
            )
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    @admin.display(description="roles")
    def roles(self, user: User) -> str:
        return ", ".join(sorted(group.name for group in user.groups.all())) or NOTHING

    @admin.display(description="password")
    def password_shown(self, user: User) -> SafeString:
        is_set = user.has_usable_password()
        url = reverse("admin:auth_user_password_change", args=(user.pk,))
        state, act = ("Set.", "Change it") if is_set else ("None: there is no log-in by password.", "Set one")
        return format_html('{} <a href="{}">{}</a>', state, url, act)

    @admin.display(description="last log-in")
    def last_seen(self, user: User) -> str:
        return moment(user.last_login)

    @admin.display(description="made")
    def made(self, user: User) -> str:
        return moment(user.date_joined)


class RoleForm(forms.ModelForm[Group]):
    """Of Django's permissions one is asked for here: that to set budgets."""

    sets_budgets = forms.BooleanField(
        label="Sets budgets",
        required=False,
        help_text="Staff with this role may set, raise and end budgets of the projects that they see.",
    )

    def __init__(self, *args: Any, **keys: Any) -> None:
        super().__init__(*args, **keys)
        if self.instance.pk is not None:
            self.initial["sets_budgets"] = _budget_right().group_set.filter(pk=self.instance.pk).exists()


def _budget_right() -> Permission:
    return Permission.objects.get(content_type__app_label="executions", codename="change_budget")


@admin.register(Group)
class RoleAdmin(GroupAdmin):
    """A role is a group's name; workflows say what it decides on."""

    form = RoleForm
    list_display = ("name", "member_count")
    fields = ("name", "sets_budgets", "members")
    readonly_fields = ("members",)
    filter_horizontal = ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        return super().get_queryset(request).annotate(member_count=Count("user"))

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        rights = form.instance.permissions
        (rights.add if form.cleaned_data["sets_budgets"] else rights.remove)(_budget_right())

    @admin.display(description="members", ordering="member_count")
    def member_count(self, group: Group) -> int:
        count: int = group.member_count  # type: ignore[attr-defined]
        return count

    @admin.display(description="members")
    def members(self, group: Group) -> SafeString | str:
        if group._state.adding:
            return NOTHING
        users = User.objects.filter(groups=group).order_by("username")[:MOST_MEMBERS]
        rows = ((reverse("admin:auth_user_change", args=(user.pk,)), user.username) for user in users)
        links = format_html_join("", '<li><a href="{}">{}</a></li>', rows)
        return format_html("<ul>{}</ul>", links) if links else NOTHING
