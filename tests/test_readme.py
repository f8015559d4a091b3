"""The README tells the truth about what can be generated from the code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_table_of_settings_is_the_traits() -> None:
    script = ROOT / "scripts" / "generate_readme.py"
    done = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_setting_says_what_it_does_and_can_be_set() -> None:
    from novel_jupyter.server.app import NovelApp

    own = NovelApp.class_own_traits()
    assert len(own) > 30
    for name, trait in own.items():
        assert trait.help, name
        assert trait.metadata.get("config"), name
