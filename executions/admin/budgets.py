"""Budgets that runs share: the list with how far they are used, setting, raising and ending one."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from executions.admin.budget_page import Use, page_of, use_of
from executions.admin.budget_retries import retry_stopped
from executions.admin.display import moment
from executions.admin.filters import OwnProjectFilter, OwnWorkflowFilter
from executions.admin.people import person
from executions.admin.rows import VisibleAdmin
from executions.amounts import NOTHING, money
from executions.exceptions import CombineError, Invalid
from executions.models import Budget, BudgetPeriod, Project
from executions.services.budgets import end_budget, may_set_budgets, set_budget, states
from executions.services.executions import MAX_BUDGET
from workflows.models import Workflow

_PERIODS = [(BudgetPeriod.MONTH.value, "each month (by UTC)"), (BudgetPeriod.DAY.value, "each day (by UTC)")]
_FIELDS = {"/project_id": "project_name", "/period": "period", "/amount_usd": "amount_usd"}


class AmountForm(forms.ModelForm[Budget]):
    """Another amount for a budget. The service says what is wrong with it, and stores it."""

    amount_usd = forms.DecimalField(
        label="Amount in US dollars",
        min_value=0,
        max_value=MAX_BUDGET,
        max_digits=20,
        decimal_places=10,
        widget=forms.NumberInput(attrs={"step": "any", "inputmode": "decimal"}),
        help_text="A call that could go beyond it is not sent; its run stops.",
    )
    actor: User

    class Meta:
        model = Budget
        fields = ("amount_usd",)

    def __init__(self, *args: Any, **keys: Any) -> None:
        super().__init__(*args, **keys)
        if self.instance.pk is not None:
            self.initial["amount_usd"] = f"{self.instance.amount_usd.normalize():f}"

    def scope(self) -> dict[str, Any]:
        """Return what the budget is of."""
        its = self.instance
        return {"project_id": its.project_id, "workflow_id": its.workflow_id, "period": its.period}

    def clean(self) -> dict[str, Any]:
        """Store it here, so that what the service has against it stands beside the fields."""
        row = self.cleaned_data
        if self.errors:
            return row
        try:
            self.instance = set_budget(
                actor=self.actor, amount_usd=row["amount_usd"], at=timezone.now(), **self.scope()
            )
        except Invalid as refused:
            for error in refused.errors:
                self.add_error(_FIELDS.get(error.path), f"{error.detail[:1].upper()}{error.detail[1:]}.")
        except CombineError as refused:
            self.add_error(None, refused.detail)
        return row

    def _post_clean(self) -> None:
        """There is no row to fill and to check: the service has done both."""


class NewBudgetForm(AmountForm):
    """A budget of a project, of a workflow, of a workflow in a project, or of all."""

    project_name = forms.CharField(
        label="Project", max_length=64, required=False, help_text="Its id. Empty: all projects, for administrators."
    )
    workflow_id = forms.ChoiceField(label="Workflow", required=False)
    period = forms.ChoiceField(label="Period", choices=_PERIODS)

    def __init__(self, *args: Any, **keys: Any) -> None:
        super().__init__(*args, **keys)
        known = [(key, key) for key in Workflow.objects.values_list("pk", flat=True)]
        self.fields["workflow_id"].choices = [("", "all workflows"), *known]  # type: ignore[attr-defined]

    def scope(self) -> dict[str, Any]:
        row = self.cleaned_data
        project_id = row["project_name"].strip() or None
        return {"project_id": project_id, "workflow_id": row["workflow_id"], "period": row["period"]}

    def clean(self) -> dict[str, Any]:
        row = self.cleaned_data
        if not self.errors:
            its = self.scope()
            same = Budget.objects.filter(
                project=its["project_id"], workflow_id=its["workflow_id"], period=its["period"], is_active=True
            )
            hidden = Q(project__isnull=False) & ~Q(project__in=Project.objects.visible_to(self.actor))
            if same.exclude(hidden).exists():
                self.add_error(None, "There is a budget of this already. Open it in the list to change its amount.")
                return row
        return super().clean()


class StateFilter(admin.SimpleListFilter):
    """Whether a budget holds."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [("on", "in force"), ("off", "ended")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Budget]) -> QuerySet[Budget]:
        return queryset.filter(is_active=self.value() == "on") if self.value() in ("on", "off") else queryset


@admin.register(Budget)
class BudgetAdmin(VisibleAdmin[Budget]):
    """Who sees a project sees its budgets; staff with the right to it set them, administrators those of all."""

    list_display = ("subject_said", "period_said", "amount_said", "use", "set_by")
    list_filter = (StateFilter, "period", OwnProjectFilter, OwnWorkflowFilter)
    list_select_related = ("created_by",)
    search_fields = ("project__id", "workflow_id")
    change_form_template = "admin/executions/budget/change_form.html"

    class Media:
        css = {"all": ("combine/budgets.css",)}

    def visible_rows(self, rows: QuerySet[Budget], user: User) -> QuerySet[Budget]:
        return rows if user.is_superuser else rows.filter(project__in=Project.objects.visible_to(user))

    def get_ordering(self, request: HttpRequest) -> Any:
        return ("-is_active", F("project_id").asc(nulls_first=True), "workflow_id", "-period", "-id")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request) and may_set_budgets(person(request))

    def has_change_permission(self, request: HttpRequest, obj: Budget | None = None) -> bool:
        user = person(request)
        if not self.has_view_permission(request) or not may_set_budgets(user):
            return False
        return obj is None or (obj.is_active and (obj.project_id is not None or user.is_superuser))

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Add to each row of the page how far it is used, with one question for all of them."""
        changes = super().get_changelist_instance(request)
        found = {state.budget_id: state for state in states(person(request))}
        changes.result_list = list(changes.result_list)
        for budget in changes.result_list:
            state = found.get(budget.pk)
            budget.use = None if state is None else use_of(state)
        return changes

    def get_form(
        self, request: HttpRequest, obj: Budget | None = None, change: bool = False, **kwargs: Any
    ) -> type[forms.ModelForm[Budget]]:
        kwargs["form"] = NewBudgetForm if obj is None else AmountForm
        form: Any = super().get_form(request, obj, change, **kwargs)
        form.actor = person(request)
        return form  # type: ignore[no-any-return]

    def get_fields(self, request: HttpRequest, obj: Budget | None = None) -> tuple[str, ...]:
        if obj is None:
            return ("project_name", "workflow_id", "period", "amount_usd")
        amount = "amount_usd" if self.has_change_permission(request, obj) else "amount_said"
        return (amount, *self.get_readonly_fields(request, obj))

    def get_readonly_fields(self, request: HttpRequest, obj: Budget | None = None) -> tuple[str, ...]:
        if obj is None:
            return ()
        shown = ("subject_said", "period_said", "set_by", "created", "changed")
        return shown if obj.is_active else (*shown, "ended")

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        own = [
            path("<path:object_id>/end/", wrap(self.end_view), name="executions_budget_end"),
            path("<path:object_id>/retry/", wrap(self.retry_view), name="executions_budget_retry"),
        ]
        return [*own, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        budget = self.get_object(request, object_id)
        context = {
            "page": page_of(budget, person(request)),
            "may_end": self.has_change_permission(request, budget),
            "show_save_and_add_another": False,
            "show_save_and_continue": False,
        }
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> Budget:
        stored: Budget = form.instance
        return stored

    def save_model(self, request: HttpRequest, obj: Budget, form: Any, change: bool) -> None:
        """There is nothing more to save."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """There is nothing more to save."""

    def response_change(self, request: HttpRequest, obj: Budget) -> HttpResponse:
        """Stay there: what the new amount means, and which runs it lets go on, is on the same page."""
        said = f"The budget of {obj.subject} is {money(obj.amount_usd)} each {obj.period} from now on."
        self.message_user(request, said, messages.SUCCESS)
        return HttpResponseRedirect(_url("change", obj))

    def end_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask, and on the answer end the budget."""
        budget = self.get_object(request, object_id)
        if not self.has_change_permission(request, budget):
            raise PermissionDenied
        if request.method == "POST":
            end_budget(actor=person(request), budget_id=budget.pk, at=timezone.now())
            self.message_user(request, f"The budget of {budget.subject} is ended.", messages.SUCCESS)
            return HttpResponseRedirect(_url("change", budget))
        context = {**self.admin_site.each_context(request), "title": "End this budget?", "budget": budget}
        return TemplateResponse(request, "admin/executions/budget/end.html", context)

    def retry_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return retry_stopped(request, self.admin_site, self.get_object(request, object_id))

    @admin.display(description="of", ordering="project")
    def subject_said(self, budget: Budget) -> str:
        return budget.subject

    @admin.display(description="period", ordering="period")
    def period_said(self, budget: Budget) -> str:
        return f"each {budget.period}"

    @admin.display(description="amount", ordering="amount_usd")
    def amount_said(self, budget: Budget) -> str:
        return money(budget.amount_usd)

    @admin.display(description="used")
    def use(self, budget: Budget) -> SafeString | str:
        found: Use | None = getattr(budget, "use", None)
        if found is None:
            return NOTHING if budget.is_active else "ended"
        return render_to_string("admin/executions/budget/_use.html", {"use": found})

    @admin.display(description="set by", ordering="created_by")
    def set_by(self, budget: Budget) -> str:
        return budget.created_by.get_username() if budget.created_by is not None else NOTHING

    @admin.display(description="set", ordering="created_at")
    def created(self, budget: Budget) -> str:
        return moment(budget.created_at)

    @admin.display(description="last changed", ordering="updated_at")
    def changed(self, budget: Budget) -> str:
        return moment(budget.updated_at)

    @admin.display(description="ended")
    def ended(self, budget: Budget) -> str:
        return moment(budget.updated_at)


def _url(view: str, budget: Budget) -> str:
    return reverse(f"admin:executions_budget_{view}", args=(budget.pk,))
