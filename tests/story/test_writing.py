"""What authors are given: a file to begin from, the format for editors, and pages that follow from it."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module, resources
from pathlib import Path

import pytest

from novel_jupyter.cli import main
from novel_jupyter.eval import evaluate, misses
from novel_jupyter.story.loader import _Document, bundled, load_story
from novel_jupyter.story.writing import SCHEMA_FILE, json_schema, schema_text, tables, template

ROOT = Path(__file__).parents[2]


def _fits(text: str) -> bool:
    validator = import_module("jsonschema").Draft202012Validator(json_schema())
    # As editors read it (YAML 1.2): `on` is a word.
    return bool(validator.is_valid(json.loads(json.dumps(_Document("x").read(text)))))


def test_the_file_to_begin_from_is_a_good_story() -> None:
    story = load_story(template("red_box"), "red_box.yaml")
    assert story.id == "red_box"
    measures, courses = evaluate(story, [str(seed) for seed in range(16)])
    assert [broken for course in courses for broken in course.violations] == []
    # Sixteen plays are few for shares; what must not fail for a beginner are the rules.
    assert not {"violations", "swapped", "climax"} & set(misses(measures))
    assert len(measures.endings) >= 3


def test_editors_are_told_the_format() -> None:
    folder = resources.files("novel_jupyter.story")
    for name in bundled():
        assert _fits((folder / "stories" / f"{name}.yaml").read_text("utf-8"))
    assert _fits(template("x"))
    assert not _fits(template("x").replace("pronouns: she", "pronouns: her"))
    assert not _fits(template("x").replace("title: The Red Box", "titel: The Red Box"))
    assert template("x").startswith(f"# yaml-language-server: $schema={SCHEMA_FILE}\n")


def test_what_follows_from_the_format_is_current() -> None:
    script = ROOT / "scripts" / "generate_story_docs.py"
    done = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    for part in ("Character", "Goal", "Use", "Fact", "Clock", "Ending", "AllOf"):
        assert f"### {part}\n" in tables()


def test_new_writes_a_story_and_overwrites_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new", "red_box", "--folder", str(tmp_path)]) == 0
    file = tmp_path / "red_box.yaml"
    assert main(["validate", str(file)]) == 0
    assert (tmp_path / SCHEMA_FILE).read_text("utf-8") == schema_text()
    file.write_text("mine", "utf-8")
    capsys.readouterr()
    assert main(["new", "red_box", "--folder", str(tmp_path)]) == 2
    assert "stays as it is" in capsys.readouterr().err
    assert file.read_text("utf-8") == "mine"
    assert main(["new", "Red Box!", "--folder", str(tmp_path)]) == 2
    assert "such as 'red_box'" in capsys.readouterr().err
    assert main(["new", "x", "--folder", str(tmp_path / "none")]) == 2


def test_every_file_is_looked_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(template("good"), "utf-8")
    bad.write_text(template("bad").replace("start: parlour", "start: parlor"), "utf-8")
    assert main(["validate", str(bad), str(good)]) == 1
    told = capsys.readouterr()
    assert "did you mean 'parlour'" in told.err
    assert "good.yaml: The Red Box" in told.out
    assert main(["schema"]) == 0
    assert capsys.readouterr().out == schema_text()
