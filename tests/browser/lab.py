"""A JupyterLab with jupyter-collaboration and the extension, and the notebooks in it.

Law: a real server process; it asks nothing of the network.
Parts: `LabServer`, `run_cell`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
from browser.people import PATIENCE
from playwright.sync_api import Page, expect

from novel_jupyter.testing import ServerProcess

TRIES = 5


class LabServer(ServerProcess):
    """Serves JupyterLab (`lab`), Notebook 7 (`tree`, `notebooks/…`) and the plain page."""

    without = ("jupyter_lsp", "jupyter_server_terminals")

    def _write_config(self) -> Path:
        path = super()._write_config()
        settings: dict[str, Any] = json.loads(path.read_text())
        # JupyterLab is told to leave the network alone, and to show what tests have to steer it.
        settings["LabApp"] = {
            "news_url": None,
            "check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
            "expose_app_in_browser": True,
        }
        path.write_text(json.dumps(settings))
        chosen = self.root / "config" / "lab" / "user-settings" / "@jupyterlab" / "apputils-extension"
        chosen.mkdir(parents=True, exist_ok=True)
        (chosen / "notification.jupyterlab-settings").write_text('{"fetchNews": "false"}')
        return path

    def notebook(self, name: str, *cells: str) -> str:
        """Write a notebook of these code cells; returns its path below the server's root."""
        v4: Any = nbformat.v4
        made = v4.new_notebook(cells=[v4.new_code_cell(source) for source in cells])
        made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        (self.root / "work" / name).write_text(v4.writes(made))
        return name


def run_cell(page: Page, index: int) -> None:
    """Run a cell of the open notebook by keyboard, as often as it takes: JupyterLab has its editor, and its
    kernel, before it knows its shortcuts.
    """
    cell = page.locator(".jp-Notebook .jp-CodeCell").nth(index)
    expect(cell).to_be_visible(timeout=2 * PATIENCE)
    idle = page.locator(".jp-Notebook-ExecutionIndicator[data-status='idle']").first
    expect(idle).to_be_visible(timeout=2 * PATIENCE)
    prompt = cell.locator(".jp-InputPrompt")
    for _ in range(TRIES):
        cell.locator(".cm-content").click()
        page.keyboard.press("Control+Enter")
        try:
            expect(prompt).not_to_have_text("[ ]:")
            return
        except AssertionError:
            continue
    raise AssertionError("the cell does not run")
