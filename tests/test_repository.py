"""What is true of every file of the repository, whatever it says.

Law: the repository names no place to download from and no path of anybody's machine, so that it works behind
any mirror; every source file opens with its law; locks pin checksums, not addresses; tests stay at home.
Parts: the list of files, the checks, and proof that the checks can fail.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = {
    ".py",
    ".ts",
    ".tsx",
    ".mjs",
    ".js",
    ".json",
    ".toml",
    ".md",
    ".yaml",
    ".yml",
    ".ipynb",
    ".css",
    ".html",
    "",
}

# Written in pieces, or this file would be the first to break the rule.
REGISTRIES = [
    "py" + "pi.org",
    "python" + "hosted.org",
    "npm" + "js.org",
    "npm" + "js.com",
    "yarn" + "pkg.com",
    "npm" + "mirror.com",
    "conda." + "anaconda.org",
    "artifact" + "ory",
]
FORBIDDEN: Mapping[str, re.Pattern[str]] = {
    "a package registry": re.compile("|".join(re.escape(name) for name in REGISTRIES), re.IGNORECASE),
    "a package index": re.compile("--(?:extra-)?index" + "-url|PIP_(?:EXTRA_)?INDEX" + "_URL"),
    "a path of one machine": re.compile("(?<![\\w.~])/(?:wo" + "rk|ro" + "ot|Us" + "ers|ho" + "me)/\\w"),
    "a merge that was left open": re.compile("^(?:<{7}|>{7}) ", re.MULTILINE),
}


def _files() -> list[str]:
    """Paths of all files that are tracked or about to be, relative to the root."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    return sorted(name for name in set(listed.stdout.split("\0")) if name and (ROOT / name).is_file())


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    """Path → content of every text file."""
    return {name: (ROOT / name).read_text("utf8") for name in _files() if Path(name).suffix in TEXT}


def forbidden(texts: Mapping[str, str]) -> list[str]:
    """Where a file says what no file may say."""
    return [
        f"{name}:{text.count(chr(10), 0, match.start()) + 1} names {what}: {match.group()}"
        for name, text in texts.items()
        for what, pattern in FORBIDDEN.items()
        for match in pattern.finditer(text)
    ]


def without_law(texts: Mapping[str, str]) -> list[str]:
    """Source files that do not open with a docstring."""
    opening = {".py": ('"""', 'r"""'), ".ts": ("/**",), ".tsx": ("/**",), ".mjs": ("/**",)}
    return [
        name
        for name, text in texts.items()
        if Path(name).suffix in opening and not text.startswith(opening[Path(name).suffix])
    ]


def untidy(texts: Mapping[str, str]) -> list[str]:
    """Text files with Windows line ends, or whose last line is not a line."""
    return [name for name, text in texts.items() if "\r" in text or (text and not text.endswith("\n"))]


def addresses(lock: str) -> list[str]:
    """Whatever in a lock file says where from: `resolved` entries and URLs."""
    return re.findall(r'"resolved":|\bresolution: "https?:|https?://[^"\s]+', lock)


def test_no_file_says_where_to_download_or_where_it_was_written(texts: Mapping[str, str]) -> None:
    assert forbidden(texts) == []


def test_every_source_file_opens_with_its_law(texts: Mapping[str, str]) -> None:
    assert without_law(texts) == []


def test_text_files_are_tidy(texts: Mapping[str, str]) -> None:
    assert untidy(texts) == []


def test_locks_hold_checksums_and_no_addresses(texts: Mapping[str, str]) -> None:
    locks = [name for name in texts if Path(name).name in {"package-lock.json", "yarn.lock", "uv.lock"}]
    assert "labextension/package-lock.json" in locks
    assert {name: addresses(texts[name]) for name in locks if addresses(texts[name])} == {}
    packages = json.loads(texts["labextension/package-lock.json"])["packages"]
    assert [name for name, entry in packages.items() if name and "integrity" not in entry] == []


def test_versions_agree() -> None:
    from novel_jupyter import __version__

    package = json.loads((ROOT / "labextension/package.json").read_text("utf8"))
    lock = json.loads((ROOT / "labextension/package-lock.json").read_text("utf8"))
    assert package["version"] == lock["version"] == __version__
    assert f'VERSION = "{__version__}";' in (ROOT / "labextension/src/version.ts").read_text("utf8")
    assert f"## [{__version__}]" in (ROOT / "CHANGELOG.md").read_text("utf8")


def test_the_extension_enables_itself() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))
    ((source, target),) = project["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"].items()
    assert target == "etc/jupyter/jupyter_server_config.d"
    config = json.loads((ROOT / source / "novel_jupyter.json").read_text("utf8"))
    assert config == {"ServerApp": {"jpserver_extensions": {"novel_jupyter": True}}}


# --- the checks can fail


@pytest.mark.parametrize(
    "text",
    [
        "see https://" + REGISTRIES[0] + "/simple",
        "registry=https://registry." + REGISTRIES[2],
        "pip install --index" + "-url x",
        "see /ro" + "ot/x",
        "'/wo" + "rk/main'",
        "a\n" + "<" * 7 + " HEAD\n",
    ],
)
def test_a_forbidden_word_is_found(text: str) -> None:
    assert len(forbidden({"README.md": text})) == 1


@pytest.mark.parametrize("text", ["a /worker/ thread", "/api/work/1", "~/work/x", "the root/ home/ folder"])
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert forbidden({"README.md": text}) == []


def test_other_faults_are_found() -> None:
    assert without_law(
        {"a.py": "import os\n", "b.py": '"""Law."""\n', "c.ts": "/** Law. */\n", "d.ts": "x;\n"}
    ) == [
        "a.py",
        "d.ts",
    ]
    assert untidy({"a": "x\r\n", "b": "x", "c": "x\n", "d": ""}) == ["a", "b"]
    assert len(addresses('{"resolved": "https://x.example/a.tgz"}')) == 2


def _refused(addresses: Iterable[object]) -> list[str]:
    refusals = []
    for address in addresses:
        with socket.socket() as sock, pytest.raises(RuntimeError, match="this machine only") as caught:
            sock.connect(address)  # type: ignore[arg-type]
        refusals.append(type(caught.value).__name__)
    return refusals


def test_the_network_guard_holds() -> None:
    assert _refused([("192.0.2.1", 80), ("story.example", 80)]) == ["NetworkForbidden"] * 2
    with pytest.raises(RuntimeError, match="this machine only"):
        socket.create_connection(("story.example", 80), timeout=1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, pytest.raises(RuntimeError):
        sock.sendto(b"x", ("192.0.2.1", 53))


def test_loopback_stays_open() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(("localhost", server.getsockname()[1]), timeout=5) as client,
    ):
        assert client.getpeername()[0] == "127.0.0.1"
