"""The wheel and the sdist carry what browsers load, once, and nothing that only their makers need.

Law: a build from files that are up to date starts no other program; here it could not find one. What is built
is a copy of this tree with rubbish in it, so that nothing is left out merely because it is not there.
Parts: what is packed, an installation, when files are built anew (`hatch_build`), and by what.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hatchling.bridge.app import Application
from jupyterlab_server.config import get_federated_extensions

import novel_jupyter

ROOT = Path(__file__).parents[1]
FACE = ("novel_jupyter/static", "novel_jupyter/labextension")
SHARE = "share/jupyter/labextensions/@novel-jupyter/labextension"
NAME = f"novel_jupyter-{novel_jupyter.__version__}"
RUBBISH = (
    "labextension/node_modules/left/index.js",
    "labextension/lib/left.js",
    "novel_jupyter/__pycache__/left.pyc",
    "novel_jupyter/core/.mypy_cache/left.json",
    "tests/__pycache__/left.pyc",
    ".venv/left.py",
    "dist/left.whl",
)


def run(folder: Path, *command: str) -> str:
    """Run with the tools of Python alone: no PATH leads to Node.js. Raises AssertionError if it fails."""
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    env.update(PATH=str(folder / "no-such-folder"), PYTHONNOUSERSITE="1")
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@dataclass(frozen=True)
class Packed:
    """Paths inside, of which those in the sdist lack its one top folder; and where the files are."""

    wheel: list[str]
    sdist: list[str]
    wheel_file: Path
    sdist_file: Path


@pytest.fixture(scope="module")
def hook() -> ModuleType:
    """`hatch_build.py`, which is in no package."""
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory, hook: ModuleType) -> Packed:
    """An sdist of this tree, and the wheel that is made of that sdist, as an installer would."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    if not hook.is_fresh(ROOT):
        pytest.skip("what browsers load is not built here: `make face`")
    tree, out = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("dist")
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True)
    for name in {*listed.stdout.split("\0")} - {""}:
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)
    for folder in FACE:
        shutil.copytree(ROOT / folder, tree / folder)
    for name in RUBBISH:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text("left", "utf8")
    run(tree, sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(out))
    sdist = out / f"{NAME}.tar.gz"
    with tarfile.open(sdist) as archive:
        files = [member.name for member in archive.getmembers() if member.isfile()]
        archive.extractall(out, filter="data")
    assert {name.partition("/")[0] for name in files} == {NAME}
    run(out / NAME, sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out))
    wheel = out / f"{NAME}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as zipped:
        inside = zipped.namelist()
    return Packed(inside, [name.partition("/")[2] for name in files], wheel, sdist)


def built(folder: str) -> set[str]:
    """Paths of the built files, relative to their folder."""
    return {str(file.relative_to(ROOT / folder)) for file in (ROOT / folder).rglob("*") if file.is_file()}


# --- what is packed


def test_the_wheel_carries_the_face_once(packed: Packed) -> None:
    static, lab = (built(folder) for folder in FACE)
    assert {"novel.js", "novel.css", "page.js", "page.css", "third-party-licenses.txt"} <= static
    assert "package.json" in lab
    data = f"{NAME}.data/data/{SHARE}/"
    found = {name.removeprefix(data) for name in packed.wheel if name.startswith(data)}
    assert found == {*lab, "install.json"}
    own = "novel_jupyter/static/"
    assert {name.removeprefix(own) for name in packed.wheel if name.startswith(own)} == static
    for name in (file for file in lab if file.startswith("static/")):
        assert sum(path.endswith("/" + name.partition("/")[2]) for path in packed.wheel) == 1, name


def test_the_wheel_carries_nothing_else(packed: Packed) -> None:
    tops = {name.partition("/")[0] for name in packed.wheel}
    assert tops == {"novel_jupyter", f"{NAME}.data", f"{NAME}.dist-info"}
    assert f"{NAME}.dist-info/licenses/LICENSE" in packed.wheel
    assert f"{NAME}.data/data/etc/jupyter/jupyter_server_config.d/novel_jupyter.json" in packed.wheel
    assert "novel_jupyter/py.typed" in packed.wheel
    assert "novel_jupyter/story/stories/lighthouse.yaml" in packed.wheel
    assert "novel_jupyter/kernel/widget.js" in packed.wheel
    assert [name for name in packed.wheel if "/tests/" in name or name.endswith((".ts", ".tsx"))] == []
    assert len(packed.wheel) == len(set(packed.wheel))


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_what_lies_about_is_in_neither(packed: Packed, kind: str) -> None:
    names: list[str] = getattr(packed, kind)
    assert [name for name in names if "left" in name.rpartition("/")[2]] == []
    assert [name for name in names if "node_modules" in name or "__pycache__" in name] == []


def test_the_sdist_builds_without_node_and_brings_the_sources(packed: Packed) -> None:
    """That it builds without has been shown by the wheel, which is made of it."""
    names = set(packed.sdist)
    assert names >= {f"{folder}/{name}" for folder in FACE for name in built(folder)}
    assert names >= {"LICENSE", "README.md", "CHANGELOG.md", "Makefile", "pyproject.toml", "hatch_build.py"}
    assert names >= {"labextension/package-lock.json", "labextension/src/ui/index.ts", "docs/stories.md"}
    assert "tests/test_build.py" in names


# --- an installation


def test_an_installed_wheel_is_found_by_jupyterlab_and_needs_no_node(packed: Packed, tmp_path: Path) -> None:
    place = tmp_path / "environment"
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet")
    # Without --ignore-installed pip would first remove the installation that runs this test.
    apart = ("--ignore-installed", "--no-deps", "--no-index", "--prefix", str(place))
    run(tmp_path, *pip, *apart, str(packed.wheel_file))
    found = get_federated_extensions([str(place / "share/jupyter/labextensions")])
    assert [(name, data["version"]) for name, data in found.items()] == [
        ("@novel-jupyter/labextension", novel_jupyter.__version__)
    ]
    extension = found["@novel-jupyter/labextension"]
    folder = Path(extension["ext_path"])
    assert (folder / extension["jupyterlab"]["_build"]["load"]).is_file()
    assert extension["install"]["packageName"] == "novel-jupyter"
    config = json.loads((place / "etc/jupyter/jupyter_server_config.d/novel_jupyter.json").read_text("utf8"))
    assert config["ServerApp"]["jpserver_extensions"] == {"novel_jupyter": True}
    (package,) = place.rglob("novel_jupyter/__init__.py")
    code = "from novel_jupyter.server.page import FILES, document; print(FILES); print(document('/', ''))"
    said = run(package.parents[1], sys.executable, "-c", code)
    assert str(package.parent / "static") in said
    assert "/novel/static/page.js?v=" in said


# --- when files are built anew


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Built files, and one source of each kind, all of one moment."""
    for name in (
        "novel_jupyter/static/page.js",
        "novel_jupyter/labextension/package.json",
        "labextension/package.json",
        "labextension/package-lock.json",
        "labextension/tsconfig.lab.json",
        "labextension/scripts/bundle.mjs",
        "labextension/src/ui/edit/Field.tsx",
        "labextension/src/index.ts",
        "labextension/style/base.css",
        "labextension/tests/index.test.ts",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("", "utf8")
        os.utime(tmp_path / name, (1e9, 1e9))
    return tmp_path


def test_files_of_one_moment_are_fresh(hook: ModuleType, tree: Path) -> None:
    """As in an sdist, whose files are all of one second."""
    assert hook.is_fresh(tree)
    os.utime(tree / "labextension/tests/index.test.ts", (2e9, 2e9))
    os.utime(tree / "labextension/src/index.ts", (1e9, 1e9 + 0.5))
    assert hook.is_fresh(tree), "archives know no fractions of a second"


@pytest.mark.parametrize(
    "name",
    [
        "package.json",
        "package-lock.json",
        "tsconfig.lab.json",
        "scripts/bundle.mjs",
        "src/ui/edit/Field.tsx",
        "src/index.ts",
        "style/base.css",
    ],
)
def test_a_newer_source_makes_them_stale(hook: ModuleType, tree: Path, name: str) -> None:
    os.utime(tree / "labextension" / name, (1e9 + 1, 1e9 + 1))
    assert not hook.is_fresh(tree)


@pytest.mark.parametrize("name", ["static/page.js", "labextension/package.json"])
def test_half_a_build_is_none(hook: ModuleType, tree: Path, name: str) -> None:
    (tree / "novel_jupyter" / name).unlink()
    assert not hook.is_fresh(tree)


# --- and by what


@pytest.fixture
def begin(hook: ModuleType, tree: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Run the hook for a target; the build data that come of it, and under `ran` the commands it started."""

    def found(target: str, version: str = "standard") -> dict[str, Any]:
        ran: list[tuple[list[str], Path]] = []

        def start(command: list[str], *, cwd: Path, env: dict[str, str], check: bool) -> None:
            assert check
            assert env["PATH"].startswith(str(Path(sys.executable).parent))
            ran.append((command, cwd))

        monkeypatch.setattr(hook.subprocess, "run", start)
        data: dict[str, Any] = {"shared_data": {}}
        hook.FaceHook(str(tree), {}, None, None, "", target, Application()).initialize(version, data)
        return {**data, "ran": ran}

    return found


def test_fresh_files_are_taken_as_they_are(begin: Callable[..., dict[str, Any]]) -> None:
    data = begin("wheel")
    assert data["ran"] == []
    assert data["shared_data"] == {
        "novel_jupyter/labextension": SHARE,
        "labextension/install.json": f"{SHARE}/install.json",
    }
    assert begin("sdist") == {"shared_data": {}, "ran": []}


def test_stale_files_are_built_with_the_locked_tools(
    begin: Callable[..., dict[str, Any]], tree: Path
) -> None:
    (tree / "novel_jupyter/static/page.js").unlink()
    folder = tree / "labextension"
    wanted = [(["npm", "ci", "--no-progress"], folder), (["npm", "run", "--silent", "build"], folder)]
    for target in ("wheel", "sdist"):
        assert begin(target)["ran"] == wanted


def test_an_editable_install_builds_nothing(begin: Callable[..., dict[str, Any]], tree: Path) -> None:
    (tree / "novel_jupyter/static/page.js").unlink()
    assert begin("wheel", "editable") == {"shared_data": {}, "ran": []}
