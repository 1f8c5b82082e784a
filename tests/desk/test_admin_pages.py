"""Every page of the admin site in a browser, the stock ones included: no barrier, nothing blocked, no script error.

The pages are found in the site's own routes, so a new one is held to the same without being named here.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.urls import NoReverseMatch, URLPattern, reverse
from django.utils import timezone
from playwright.sync_api import Page

from executions.models import Execution, Gate
from executions.services.budgets import set_budget
from executions.tests.driving import drive
from executions.tests.engine_cast import person, start
from executions.tests.engine_definitions import single
from tests.pages.conftest import OpenPage
from tests.pages.crawler import ALL_RULES, HEIGHT, NARROW, NARROWEST, WIDE, Theme, Watch, run_axe
from tests.pages.site import LiveSite
from tests.pages.world import PACKAGE, World
from workflows.uploads import keep_upload

pytestmark = pytest.mark.slow

# What may differ where it is dark and narrow. Colours are the same on all stock pages of a kind, and slow to check.
_NARROW_RULES = ["scrollable-region-focusable", "target-size"]
_DARK_RULES = ["color-contrast", "link-in-text-block"]
# Stock pages that are alike for all rows: one of each is enough.
_ALIKE = ("_history", "_delete")
# No pages of their own: they answer something else than a page, lead to another one, or are only posted to.
_NO_PAGES = {
    "admin:login",
    "admin:logout",
    "admin:jsi18n",
    "admin:autocomplete",
    "admin:view_on_site",
    "admin:executions_gate_claim",
}


def test_no_page_of_the_admin_site_has_a_barrier_or_anything_that_is_blocked(
    open_page: OpenPage, site: LiveSite, world: World
) -> None:
    urls = site.run(_addresses, world)
    page = open_page("root")
    watch = Watch(page)
    found, seen, kinds = [], 0, set()
    for url in urls:
        watch.complaints.clear()
        page.set_viewport_size({"width": WIDE, "height": HEIGHT})
        page.emulate_media(color_scheme="light", reduced_motion="reduce")
        answer = page.goto(url)
        assert answer is not None
        if answer.status == 200 and answer.request.redirected_from is None:
            seen += 1
            kind = _kind(url)
            found += _faults(page, watch, url, is_first=kind not in kinds)
            kinds.add(kind)
        else:
            # Rows that nobody adds, changes or removes by hand have no page for it; some addresses lead elsewhere.
            assert answer.status in (200, 403, 405), (url, answer.status)
    assert not found, "\n\n".join(found)
    assert seen > 40


def _kind(url: str) -> str:
    """Return what tells stock pages apart: change, add and so on; nothing for all the lists."""
    last = url.rstrip("/").rsplit("/", 1)[-1]
    models = {model._meta.model_name for model in admin.site._registry}
    return "" if last in models else last


def _faults(page: Page, watch: Watch, url: str, *, is_first: bool) -> list[str]:
    """Look at the page that is open, light and wide, then dark and narrow, and say what is wrong with it."""
    found = []
    page.evaluate(AXE_SCRIPT)
    some = {"type": "rule", "values": [*_NARROW_RULES, *(_DARK_RULES if is_first else ())]}
    looks: tuple[tuple[int, Theme, dict[str, Any]], ...] = ((WIDE, "light", ALL_RULES), (NARROW, "dark", some))
    for width, theme, rules in looks:
        page.set_viewport_size({"width": width, "height": HEIGHT})
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        barriers = [each for each in run_axe(page, rules) if each["impact"] in ("serious", "critical")]
        if barriers:
            found.append(f"{url} {theme} {width}\n{json.dumps(barriers, indent=1)}")
    page.set_viewport_size({"width": NARROWEST, "height": HEIGHT})
    if (needed := page.evaluate("document.documentElement.scrollWidth")) > NARROWEST:
        found.append(f"{url} needs {needed} px")
    refused = page.evaluate("window.__refused")
    return found + [f"{url}: {text}" for text in [*refused, *watch.complaints]]


def _addresses(world: World) -> list[str]:
    User.objects.create_superuser("root")
    User.objects.filter(username="root").update(is_staff=True)
    for name in ("al", "bo", "cy"):
        person(name, "reader")
    _stopped_by_a_budget()
    found: list[str] = []
    for pattern in admin.site.get_urls():
        if isinstance(pattern, URLPattern):
            found += _reversed(f"admin:{pattern.name}", [()])
    for model, row_admin in admin.site._registry.items():
        keys = [(str(key),) for key in _rows(model, world)]
        for own in row_admin.get_urls():
            is_alike = str(own.name).endswith(_ALIKE) and model is not User
            found += _reversed(f"admin:{own.name}", [] if is_alike else [(), *keys])
    found += [
        reverse("admin:app_list", args=("executions",)),
        reverse("admin:workflows_upload_check", args=(_upload(),)),
    ]
    return list(dict.fromkeys(found))


def _stopped_by_a_budget() -> None:
    """Have a budget with something to see on its pages: a run that it has stopped, and a warning of that."""
    drive(start(single(), by="grace", project="counting-house"))
    set_budget(
        actor=User.objects.get(username="root"),
        project_id="counting-house",
        workflow_id="",
        period="month",
        amount_usd=Decimal("0.01"),
        at=timezone.now(),
    )
    drive(start(single(), by="grace", project="counting-house"))


def _reversed(name: str, keys: list[tuple[str, ...]]) -> Iterator[str]:
    for key in keys if name not in _NO_PAGES else []:
        try:
            yield reverse(name, args=key)
        except NoReverseMatch:
            continue


def _rows(model: type[Model], world: World) -> list[object]:
    """Return the rows whose pages are looked at: one, or where they differ one of each kind."""
    if model is Execution:
        return [world.failed, world.reviewing]
    if model is Gate:
        gates = Gate.objects.filter(status="open")
        return [world.question, gates.filter(kind="acceptance").values_list("pk", flat=True)[0]]
    if model is Group:
        return [Group.objects.get(name="reader").pk]  # it has members, whom the page lists
    return list(model._default_manager.order_by("-pk").values_list("pk", flat=True)[:1])


def _upload() -> str:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(PACKAGE.rglob("*")):
            archive.write(path, Path("package") / path.relative_to(PACKAGE))
        archive.writestr("package/workflows/bad.json", "{}")
    root = User.objects.get(username="root")
    return str(keep_upload(actor=root, name="package.zip", data=buffer.getvalue(), at=timezone.now()).pk)
