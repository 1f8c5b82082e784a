"""What every page must keep, in a real browser: no script error, nothing that the policy blocks, no barrier."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

Theme = Literal["light", "dark"]

WIDE, NARROW, NARROWEST = 1360, 390, 320
HEIGHT = 900
ALL_RULES = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
_COLOUR_RULES = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
_WATCH = """
window.__refused = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.__refused.push(`${event.violatedDirective}: ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
});
"""
_AXE = """
async (options) => {
  const found = await axe.run(document, options);
  return found.violations.map((each) => ({
    id: each.id, impact: each.impact, help: each.help,
    nodes: each.nodes.slice(0, 5).map((node) => `${node.target.join(" ")}: ${node.failureSummary}`),
  }));
}
"""


class Watch:
    """What a page has complained about since it was opened."""

    def __init__(self, page: Page) -> None:
        self.complaints: list[str] = []
        page.add_init_script(_WATCH)
        page.on("console", lambda message: self._note(message.type, message.text, message.location))
        page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))

    def _note(self, kind: str, text: str, location: Any) -> None:
        if kind == "error":
            self.complaints.append(f"{kind}: {text} ({location.get('url')})")


def crawl(page: Page, url: str, *, status: int = 200, themes: Sequence[Theme] = ("light", "dark")) -> None:
    """Open ``url`` and hold it to everything: both themes, wide and narrow, reflow at 320 px."""
    watch = Watch(page)
    page.set_viewport_size({"width": WIDE, "height": HEIGHT})
    response = page.goto(url)
    assert response is not None
    assert response.status == status, f"{url} answers {response.status}"
    check_barriers(page, themes=themes)
    page.wait_for_load_state("networkidle")
    assert page.evaluate("window.__refused") == [], url
    # The browser itself complains of a page that is not found; that is what was asked for.
    complaints = [text for text in watch.complaints if status < 400 or "Failed to load resource" not in text]
    assert complaints == [], url


def check_barriers(page: Page, *, themes: Sequence[Theme] = ("light", "dark")) -> None:
    """Hold what the page shows now to axe's rules and to its width, in every theme and width."""
    page.evaluate(AXE_SCRIPT)
    for width in (WIDE, NARROW):
        page.set_viewport_size({"width": width, "height": HEIGHT})
        for theme in themes:
            page.emulate_media(color_scheme=theme, reduced_motion="reduce")
            # A theme changes colours, and nothing else.
            found = run_axe(page, ALL_RULES if theme == themes[0] else _COLOUR_RULES)
            found = [each for each in found if each["impact"] in ("serious", "critical")]
            assert not found, f"{page.url} {theme} {width}\n{json.dumps(found, indent=1)}"
    page.set_viewport_size({"width": NARROWEST, "height": HEIGHT})
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROWEST, f"{page.url} is wider than {NARROWEST}"


def run_axe(page: Page, rules: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what axe finds in the page, into which it must have been put."""
    # To preload style sheets axe would write them into the page, which the policy blocks, and look for what they
    # import in the wrong place.
    options = {"runOnly": rules, "resultTypes": ["violations"], "preload": False}
    found: list[dict[str, Any]] = page.evaluate(_AXE, options)
    return found
