"""What axe-core, the accessibility checker, says of a page.

Law: findings that axe calls serious or critical are faults; the page is checked as it stands, in the whole.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Page

AXE = Path(__file__).parents[2] / "labextension" / "node_modules" / "axe-core" / "axe.min.js"
SERIOUS = ("serious", "critical")


def violations(page: Page, within: str = "body") -> list[str]:
    """A line for each serious finding below the element: the rule and where."""
    if not page.evaluate("typeof axe !== 'undefined'"):
        page.evaluate(AXE.read_text("utf8"))
    # What fades in is not yet what it will be.
    page.evaluate(
        """() => Promise.allSettled(document.getAnimations()
          .filter((one) => one.effect.getComputedTiming().endTime < Infinity).map((one) => one.finished))"""
    )
    said: Any = page.evaluate("(where) => axe.run(where, {resultTypes: ['violations']})", within)
    assert said["passes"], "it looked at nothing"
    return [
        f"{found['impact']} {found['id']}: {node['target']} {node['failureSummary']}"
        for found in said["violations"]
        if found["impact"] in SERIOUS
        for node in found["nodes"]
    ]
