"""The site, the browser and the people of the tests of pages, for those of the desk."""

from __future__ import annotations

from tests.pages.conftest import browser, db, open_page, site, world

__all__ = ["browser", "db", "open_page", "site", "world"]
