"""What a new local installation has to show: accounts, a token and one run. Made once; later changes are kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone
from knox import crypto
from knox.models import AuthToken

from combine.accounts import ADMIN, OPERATOR, VIEWER, create_account, create_token
from combine.env import BASE_DIR
from combine.home_files import read_file, write_file
from executions.models import Project
from executions.services.executions import NewExecution, start_execution
from workflows.models import Workflow

EXAMPLE_ROLES = ("pm", "architect", "ba", "editor")
PROJECT = "demo"
WORKFLOW = "software_product"
BRIEF = BASE_DIR / "examples" / WORKFLOW / "brief.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoAccount:
    """An account whose password is its name."""

    name: str
    roles: tuple[str, ...]
    purpose: str


# The first superuser is the default actor of run_workflow, so it must have every role of the examples.
ACCOUNTS = (
    DemoAccount(name="demo", roles=(ADMIN, OPERATOR, *EXAMPLE_ROLES), purpose="may do everything"),
    DemoAccount(name="admin", roles=(ADMIN, OPERATOR, *EXAMPLE_ROLES), purpose="may do everything"),
    DemoAccount(name="pm", roles=("pm",), purpose="accepts what needs a project manager"),
    DemoAccount(name="architect", roles=("architect",), purpose="accepts what needs an architect"),
    DemoAccount(name="ba", roles=("ba",), purpose="accepts what needs a business analyst"),
    DemoAccount(name="editor", roles=("editor",), purpose="accepts what needs an editor"),
    DemoAccount(name="operator", roles=(OPERATOR,), purpose="starts, cancels and retries runs (no admin pages)"),
    DemoAccount(name="viewer", roles=(VIEWER,), purpose="watches (no admin pages)"),
)
DEMO_USER = ACCOUNTS[0].name


def shown_accounts() -> tuple[DemoAccount, ...]:
    """Return the accounts that the log-in page names: in a local demo all of them, anywhere else none."""
    return ACCOUNTS if settings.COMBINE_ENV == "local" and settings.COMBINE_DEMO else ()


def ensure_demo(say: Callable[[str], None]) -> str:
    """Make what is missing of the demo.

    :returns: the API token of the demo user, the same at every start as long as it is valid.
    """
    existing = set(User.objects.filter(username__in=[account.name for account in ACCOUNTS]).values_list("username"))
    for account in ACCOUNTS:
        if (account.name,) not in existing:
            create_account(name=account.name, password=account.name, roles=account.roles)
    _start_demo_execution(say)
    return _demo_token()


def _demo_token() -> str:
    path = settings.COMBINE_HOME / "demo_token"
    token = read_file(path)
    if token is None or not _is_valid(token):
        token = create_token(name=DEMO_USER, days=None)
        write_file(path, token)
    return token


def _is_valid(token: str) -> bool:
    known = AuthToken.objects.filter(digest=crypto.hash_token(token), user__username=DEMO_USER)
    return bool(known.exclude(expiry__lte=timezone.now()).exists())


def _start_demo_execution(say: Callable[[str], None]) -> None:
    workflow = Workflow.objects.select_related("current_revision").filter(pk=WORKFLOW).first()
    # The project is made by its first start: its existence says that this has been done.
    if workflow is None or not BRIEF.exists() or Project.objects.filter(pk=PROJECT).exists():
        return
    start_execution(
        actor=User.objects.get(username=DEMO_USER),
        revision=workflow.current_revision,
        new=NewExecution(project_id=PROJECT, brief=json.loads(BRIEF.read_text(encoding="utf-8"))),
        at=timezone.now(),
    )
    say(f"Started a demo run of {WORKFLOW} in project {PROJECT!r}")
