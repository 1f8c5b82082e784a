"""A site and a browser for the tests of this package. Both end with it: an event loop that stays would be in the way
of other tests."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connections
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from pytest_django import DjangoDbBlocker

from tests.acceptance.site import ENOUGH, Place
from tests.pages.crawler import HEIGHT, WIDE, Theme
from tests.pages.site import LiveSite
from tests.pages.world import World, build

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))

OpenPage = Callable[..., Page]

# What Playwright switches off, and pop-ups of the address bar, which nobody sees: a process of their own for every
# window, a fifth of the time.
_WITHOUT = (
    *("AvoidUnnecessaryBeforeUnloadCheckSync", "DestroyProfileOnBrowserClose", "HttpsUpgrades", "LensOverlay"),
    *("HttpsFirstBalancedModeAutoEnable", "MediaRouter", "PaintHolding", "ThirdPartyStoragePartitioning"),
    *("AvoidCorsURLLoaderRestartOnRedirect", "OptimizationHints", "NetworkTimeServiceQuerying", "PreconnectToSearch"),
    *("AimEnabled", "WebUIOmniboxPopup", "WebUIOmniboxAimPopup"),
)


@pytest.fixture(scope="package")
def db(django_db_setup: None) -> None:
    """The test database, as a template only. It is made where some test asks for ``db`` by this name; pytest-django's
    own fixture would open a transaction in the test's thread, where Playwright's event loop forbids it."""


@pytest.fixture(scope="package")
def site(db: None, django_db_blocker: DjangoDbBlocker) -> Iterator[LiveSite]:
    """A running site with an empty database."""
    server = settings.DATABASES["default"]
    connections.close_all()  # a template must not be in use
    place = Place(
        host=server["HOST"],
        port=str(server["PORT"]),
        user=server["USER"],
        # A session that is killed leaves its databases; the next one knows them by this name.
        name=f"test_combine_{os.getpid()}_pages",
    )
    with LiveSite(place, django_db_blocker) as site:
        yield site


@pytest.fixture(scope="package")
def world(site: LiveSite) -> World:
    """The site's content: a run in every state."""
    return site.run(build)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One browser for all tests of the package."""
    if not CHROMIUM.exists():
        pytest.skip(f"there is no {CHROMIUM}: install Chromium, or name it by the variable CHROMIUM")
    expect.set_options(timeout=ENOUGH * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", f"--disable-features={','.join(_WITHOUT)}"]
        )
        yield browser
        browser.close()


@pytest.fixture
def open_page(site: LiveSite, browser: Browser) -> Iterator[OpenPage]:
    """Return a function that gives somebody a browser window of their own, logged in unless ``name`` is empty."""
    contexts: list[BrowserContext] = []

    def opened(
        name: str = "", *, theme: Theme = "light", width: int = WIDE, scripts: bool = True, height: int = HEIGHT
    ) -> Page:
        context = browser.new_context(
            base_url=site.url,
            color_scheme=theme,
            java_script_enabled=scripts,
            locale="en-GB",
            timezone_id="Europe/Berlin",
            viewport={"width": width, "height": height},
        )
        context.set_default_timeout(ENOUGH * 1000)
        contexts.append(context)
        if name:
            value = site.session_of(name)
            context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": value, "url": site.url}])
        return context.new_page()

    yield opened
    for context in contexts:
        context.close()
