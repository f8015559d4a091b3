"""Builds the browser's files into the wheel and the sdist.

Law: whoever installs a wheel needs no Node.js; whoever builds one gets it from PyPI as a build requirement.
Files that are there and no older than their sources are taken as they are. An editable install builds
nothing: `make face` does.
Parts: `FaceHook`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SHARE = "share/jupyter/labextensions/@novel-jupyter/labextension"


class FaceHook(BuildHookInterface):  # type: ignore[type-arg]
    """hatchling's `custom` hook."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Raises CalledProcessError if Node.js cannot build."""
        if version == "editable":
            return
        root = Path(self.root)
        if not is_fresh(root):
            self.app.display_info("building the browser's files")
            build(root)
        if self.target_name == "wheel":
            build_data["shared_data"]["novel_jupyter/labextension"] = SHARE
            build_data["shared_data"]["labextension/install.json"] = f"{SHARE}/install.json"


def is_fresh(root: Path) -> bool:
    """Whether the built files are there and no older than what they are built from."""
    built = [root / "novel_jupyter/static/page.js", root / "novel_jupyter/labextension/package.json"]
    if not all(file.is_file() for file in built):
        return False
    folder = root / "labextension"
    settings = [folder / "package.json", folder / "package-lock.json", *folder.glob("tsconfig*.json")]
    sources = [*settings, *folder.glob("src/**/*.ts*"), *folder.glob("style/*"), *folder.glob("scripts/*")]
    newest = max(int(file.stat().st_mtime) for file in sources if file.is_file())
    return all(int(file.stat().st_mtime) >= newest for file in built)


def build(root: Path) -> None:
    """Install the tools that the lock file names, and build. Raises CalledProcessError."""
    scripts = Path(sys.executable).parent
    env = {
        **os.environ,
        "PATH": f"{scripts}{os.pathsep}{os.environ.get('PATH', '')}",
        "NODE_USE_SYSTEM_CA": "1",
    }
    for command in (["npm", "ci", "--no-progress"], ["npm", "run", "--silent", "build"]):
        subprocess.run(command, cwd=root / "labextension", env=env, check=True)
