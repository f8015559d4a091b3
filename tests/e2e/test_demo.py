"""The main job, as a newcomer runs it: the command line, real processes, a story to its end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.process, pytest.mark.timeout(180)]


def run(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "JUPYTER_DATA_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "novel_jupyter.cli", "demo", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=150)


def test_the_same_seed_plays_the_same_story_to_its_end(tmp_path: Path) -> None:
    summaries: list[dict[str, Any]] = []
    for _ in range(2):
        done = run(tmp_path, "--json", "--seed", "7")
        assert done.returncode == 0, done.stderr
        summaries.append(json.loads(done.stdout))
    first, second = summaries
    assert first["ended"]
    assert first["ending"]["title"]
    assert first["turns"] >= 5
    assert len(first["narrative"]) == first["turns"]
    assert (first["digest"], first["narrative"]) == (second["digest"], second["narrative"])
    assert first["session_id"] != second["session_id"]
    assert {"ada", "ben", "kernel"} <= first["who_did_what"].keys()
    assert 0 < first["latency_ms"]["p50"] <= first["latency_ms"]["p99"]
    assert Path(first["kept_in"]).is_file()


def test_another_seed_plays_otherwise_and_is_told_as_it_streams(tmp_path: Path) -> None:
    done = run(tmp_path, "--turns", "2", "--seed", "11")
    assert done.returncode == 0, done.stderr
    assert "— turn 1 " in done.stdout
    assert "— turn 2 " in done.stdout
    assert "— turn 3 " not in done.stdout
    assert "2 turns" in done.stdout
    assert "nj.join(" in done.stdout


def test_a_story_file_with_an_error_is_told_by_line(tmp_path: Path) -> None:
    wrong = tmp_path / "mine.yaml"
    wrong.write_text("id: mine\ntitle: Mine\npremise: 5\n")
    done = run(tmp_path, "--story", str(wrong))
    assert done.returncode == 2
    assert "mine.yaml, line" in done.stderr
    assert "Traceback" not in done.stderr


def test_another_bundled_story_is_played_by_name(tmp_path: Path) -> None:
    done = run(tmp_path, "--story", "midwinter", "--turns", "1")
    assert done.returncode == 0, done.stderr
    assert "— turn 1 " in done.stdout
    unknown = run(tmp_path, "--story", "midwintr")
    assert unknown.returncode == 2
    assert "midwinter" in unknown.stderr
