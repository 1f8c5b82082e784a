"""A person's own page: which mail they want, and who decides for them while they are away."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from executions.exceptions import CombineError, Conflict, Invalid, NotFound
from executions.models import MailWish
from executions.pages.viewers import page, viewer
from executions.services.deputies import deputies_of, end_deputy, name_deputy
from executions.services.notices import mail_wishes, set_mail_wish

_FIELDS = {"/deputy": "deputy", "/last_day": "last_day"}
_DAY = forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})


_WHEN = [(MailWish.AT_ONCE.value, gettext_lazy("At once")), (MailWish.OFF.value, gettext_lazy("Never"))]


class MailForm(forms.Form):
    mail = forms.ChoiceField(label=gettext_lazy("Mail about what waits for me"), choices=_WHEN)
    budgets = forms.ChoiceField(
        label=gettext_lazy("Mail about budgets"),
        choices=_WHEN,
        required=False,
        help_text=gettext_lazy(
            "When 50, 80 and 100% are used: of a run that you started, or of a budget in your care."
        ),
    )


class DeputyForm(forms.Form):
    """Who decides for this person, and when. What the values mean is checked by the service."""

    deputy = forms.CharField(
        label=gettext_lazy("Deputy"),
        max_length=150,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}),
        help_text=gettext_lazy("The name of their account."),
    )
    first_day = forms.DateField(label=gettext_lazy("First day"), widget=_DAY)
    last_day = forms.DateField(
        label=gettext_lazy("Last day"), widget=_DAY, help_text=gettext_lazy("Days begin and end by UTC.")
    )

    def take(self, refused: CombineError) -> None:
        """Show beside its field what the service has against it."""
        if isinstance(refused, Invalid):
            for error in refused.errors:
                self.add_error(_FIELDS.get(error.path), error.detail[:1].upper() + error.detail[1:] + ".")
        else:
            self.add_error(None, refused.detail)


@page("POST")
def account_page(request: HttpRequest) -> HttpResponse:
    """Show what there is, and take one of three forms: the mail, a new deputy, the end of one."""
    user, at = viewer(request), timezone.now()
    form = DeputyForm(initial={"first_day": at.date()})
    if request.method == "POST":
        match request.POST.get("act"):
            case "mail":
                return _set_mail(request, user)
            case "end":
                return _end(request, user, at)
        form = DeputyForm(request.POST)
        if form.is_valid() and _name(user, form, at):
            messages.success(request, _("Your deputy is named."))
            return HttpResponseRedirect(reverse("account-page"))
        return _page(request, user, form, at, status=422)
    return _page(request, user, form, at)


def _name(user: User, form: DeputyForm, at: datetime) -> bool:
    try:
        name_deputy(actor=user, absent=user, at=at, **form.cleaned_data)
    except (Invalid, Conflict) as refused:
        form.take(refused)
        return False
    return True


def _set_mail(request: HttpRequest, user: User) -> HttpResponse:
    form = MailForm(request.POST)
    if form.is_valid():
        set_mail_wish(actor=user, wish=form.cleaned_data["mail"], budgets=form.cleaned_data["budgets"] or None)
        messages.success(request, _("Kept."))
    else:
        messages.error(request, _("Choose when you want mail."))
    return HttpResponseRedirect(reverse("account-page"))


def _end(request: HttpRequest, user: User, at: datetime) -> HttpResponse:
    number = request.POST.get("deputy_id", "")
    if not (number.isascii() and number.isdecimal() and len(number) < 18):
        raise Http404("There is no such deputy.")
    try:
        end_deputy(actor=user, deputy_id=int(number), at=at)
        messages.success(request, _("It is ended."))
    except NotFound as missing:
        raise Http404(missing.detail) from None
    except Conflict as refused:
        messages.error(request, refused.detail)
    return HttpResponseRedirect(reverse("account-page"))


def _page(request: HttpRequest, user: User, form: DeputyForm, at: datetime, *, status: int = 200) -> HttpResponse:
    rows, wishes = list(deputies_of(user, at=at)), mail_wishes(user)
    context: dict[str, Any] = {
        "mail_form": MailForm(initial={"mail": wishes.mail.value, "budgets": wishes.budgets.value}),
        "form": form,
        "problems": _problems(form),
        "own": [row for row in rows if row.absent_id == user.pk],
        "for_others": [row for row in rows if row.deputy_id == user.pk],
    }
    return render(request, "pages/account.html", context, status=status)


def _problems(form: DeputyForm) -> list[tuple[str, str]]:
    if not form.is_bound:
        return []
    found = [("", str(error)) for error in form.non_field_errors()]
    return found + [(str(field.id_for_label), f"{field.label}: {error}") for field in form for error in field.errors]
