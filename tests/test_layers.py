"""The house holds: which part may import which, what is pure stays pure, no circles, no endless files.

Law: the arrows of the architecture are read from the source itself, not from what happens to be loaded.
An import counts wherever it stands, in a function or under TYPE_CHECKING too: to know a name is to depend on
it. Circles count only what runs while modules load, since only that can break.
Parts: the tables, a small reader of imports, the checks, and a made-up tree on which each check must fail.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = "novel_jupyter"

# Nothing in these tells the time, rolls dice, waits, or touches the machine.
PURE_STDLIB = frozenset(
    "__future__ abc base64 bisect collections contextlib copy dataclasses datetime decimal difflib enum "
    "fractions functools hashlib heapq hmac itertools json keyword math operator re string textwrap types "
    "typing unicodedata urllib".split()
)
MODELS = frozenset("pydantic pydantic_core typing_extensions".split())
JUPYTER = frozenset("jupyter_client jupyter_core orjson tornado traitlets".split())


@dataclass(frozen=True)
class Layer:
    """What one folder may import. `stdlib` is None where the whole standard library is open."""

    ours: tuple[str, ...]
    third: frozenset[str]
    stdlib: frozenset[str] | None = None
    asynchronous: bool = True


LAYERS: Mapping[str, Layer] = {
    "core": Layer(
        ours=("core",),
        third=MODELS,
        stdlib=PURE_STDLIB,
        asynchronous=False,
    ),
    "story": Layer(
        ours=("core", "story"),
        third=MODELS | {"yaml"},
        # It awaits its one port, several personas at once, and reads the stories that it ships.
        stdlib=PURE_STDLIB | {"asyncio", "importlib", "pathlib"},
    ),
    "server": Layer(
        # Of the story the data model, and what a character may try: shown also while no kernel runs.
        ours=(
            *("core", "server", "story.schema", "story.loader", "story.actions", "story.world"),
            "story.offers",
        ),
        third=MODELS | JUPYTER | {"jupyter_events", "jupyter_server", "jwt", "prometheus_client", "redis"},
    ),
    "kernel": Layer(
        ours=("core", "story", "kernel"),
        third=MODELS | JUPYTER | frozenset("IPython ipykernel pydantic_ai".split()),
    ),
}

ALSO: Mapping[str, frozenset[str]] = {"kernel.widget": frozenset({"anywidget"})}
"""Module → what it alone may import besides: whoever shows no widget does not pay for widgets."""

# Reading the clock or the disk needs no import where `datetime` or a builtin is at hand.
IMPURE_CALLS = re.compile(r"^(?:(?:datetime\.|date\.)+(?:now|utcnow|today)|open|input|print)$")

MOST_LINES = 400
LONGER: Mapping[str, str] = {}
"""Path → why it is one file all the same."""


class Import(NamedTuple):
    """One imported module as seen from `source`: `runs` says that it happens while `source` loads."""

    source: str
    target: str
    line: int
    runs: bool


class _Reader(ast.NodeVisitor):
    def __init__(self, name: str, is_package: bool) -> None:
        self.name, self.is_package = name, is_package
        self.found: list[tuple[str, str | None, int, bool]] = []
        self.asynchronous: list[int] = []
        self.calls: list[tuple[str, int]] = []
        self._lazy = 0

    def visit_Import(self, node: ast.Import) -> None:
        self.found += [(alias.name, None, node.lineno, not self._lazy) for alias in node.names]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        base = node.module or ""
        if node.level:
            parts = self.name.split(".")
            parts = parts[: len(parts) - node.level + (1 if self.is_package else 0)]
            base = ".".join([*parts, base] if base else parts)
        self.found += [(base, alias.name, node.lineno, not self._lazy) for alias in node.names]

    def visit_If(self, node: ast.If) -> None:
        lazy = ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
        self._lazy += lazy
        for child in node.body:
            self.visit(child)
        self._lazy -= lazy
        for child in node.orelse:
            self.visit(child)

    def _inside(self, node: ast.AST) -> None:
        self._lazy += 1
        self.generic_visit(node)
        self._lazy -= 1

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._inside(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._inside(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self.asynchronous.append(node.lineno)
        self._inside(node)

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Name | ast.Attribute):
            self.calls.append((ast.unparse(node.func), node.lineno))
        self.generic_visit(node)


class Tree:
    """The modules of one package folder, by dotted name."""

    def __init__(self, root: Path, package: str = PACKAGE) -> None:
        self.root, self.package = root, package
        self.paths = {self._name(path): path for path in sorted((root / package).rglob("*.py"))}
        self.readers: dict[str, _Reader] = {}
        for name, path in self.paths.items():
            reader = _Reader(name, path.name == "__init__.py")
            reader.visit(ast.parse(path.read_text(encoding="utf8"), str(path)))
            self.readers[name] = reader

    def _name(self, path: Path) -> str:
        parts = path.relative_to(self.root).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    def imports(self) -> Iterator[Import]:
        for name, reader in self.readers.items():
            for base, item, line, runs in reader.found:
                deeper = f"{base}.{item}"
                yield Import(name, deeper if deeper in self.paths else base, line, runs)

    def unit(self, name: str) -> str:
        """The folder or module directly below the package; "" for the package itself."""
        return name.split(".")[1] if "." in name else ""


def _allowed(target: str, allowed: tuple[str, ...]) -> bool:
    return any(target == prefix or target.startswith(prefix + ".") for prefix in allowed)


def arrows(tree: Tree, layers: Mapping[str, Layer], stdlib: frozenset[str]) -> list[str]:
    """Imports that a layer may not have. What is in no layer (the command line, benches) may import all."""
    wrong = []
    for found in tree.imports():
        layer = layers.get(tree.unit(found.source))
        if layer is None:
            if found.source == tree.package and found.runs and found.target.startswith(f"{tree.package}."):
                wrong.append(f"{found.source}:{found.line} loads {found.target}: the package itself is lazy")
            continue
        top = found.target.split(".")[0]
        if top == tree.package:
            inner = found.target.removeprefix(tree.package).lstrip(".")
            # The package itself holds the version and lazy names, and imports nothing.
            good = inner == "" or _allowed(inner, layer.ours)
        elif top in stdlib:
            good = layer.stdlib is None or top in layer.stdlib
        else:
            good = top in layer.third | ALSO.get(found.source.removeprefix(f"{tree.package}."), frozenset())
        if not good:
            wrong.append(f"{found.source}:{found.line} imports {found.target}")
    return wrong


def impurities(tree: Tree, layers: Mapping[str, Layer]) -> list[str]:
    """Clocks, files and coroutines in layers that have none."""
    wrong = []
    for name, reader in tree.readers.items():
        layer = layers.get(tree.unit(name))
        if layer is None or layer.asynchronous:
            continue
        wrong += [f"{name}:{line} is asynchronous" for line in reader.asynchronous]
        wrong += [f"{name}:{line} calls {call}" for call, line in reader.calls if IMPURE_CALLS.match(call)]
    return wrong


def circles(tree: Tree) -> list[str]:
    """Chains of modules that import each other while they load."""
    graph: dict[str, set[str]] = {name: set() for name in tree.paths}
    for found in tree.imports():
        if found.runs and found.target in graph and found.target != found.source:
            graph[found.source].add(found.target)
    wrong, done = [], set[str]()

    def walk(name: str, trail: list[str]) -> None:
        if name in trail:
            wrong.append(" → ".join([*trail[trail.index(name) :], name]))
        elif name not in done:
            for target in sorted(graph[name]):
                walk(target, [*trail, name])
            done.add(name)

    for name in graph:
        walk(name, [])
    return wrong


def long_files(root: Path, longer: Mapping[str, str]) -> list[str]:
    """Files over the limit that give no reason, and reasons that no file needs any more."""
    folders = {PACKAGE: "*.py", "tests": "*.py", "labextension/src": "*.ts", "labextension/tests": "*.ts"}
    lines = {
        path.relative_to(root).as_posix(): path.read_text(encoding="utf8").count("\n")
        for folder, pattern in folders.items()
        for path in sorted((root / folder).rglob(pattern))
        if path.name != "protocol.ts"
    }
    wrong = [f"{name} has {n} lines" for name, n in lines.items() if n > MOST_LINES and name not in longer]
    return wrong + [f"{name} needs no exception" for name in longer if lines.get(name, 0) <= MOST_LINES]


def _stdlib() -> frozenset[str]:

    return frozenset(sys.stdlib_module_names)


@pytest.fixture(scope="module")
def tree() -> Tree:
    return Tree(ROOT)


def test_arrows_between_the_layers_hold(tree: Tree) -> None:
    assert arrows(tree, LAYERS, _stdlib()) == []


def test_the_rules_are_pure(tree: Tree) -> None:
    assert impurities(tree, LAYERS) == []


def test_there_are_no_import_circles(tree: Tree) -> None:
    assert circles(tree) == []


def test_files_stay_readable() -> None:
    assert long_files(ROOT, LONGER) == []


# --- the checks themselves, on a tree that breaks every rule once


def _made_up(tmp_path: Path, files: Mapping[str, str]) -> Tree:
    for name, text in files.items():
        path = tmp_path / PACKAGE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf8")
    return Tree(tmp_path)


@pytest.mark.parametrize(
    ("file", "text", "complaint"),
    [
        ("core/a.py", "import asyncio", "core.a:1 imports asyncio"),
        ("core/a.py", "def f():\n    import random", "core.a:2 imports random"),
        ("core/a.py", "from time import monotonic", "core.a:1 imports time"),
        ("core/a.py", "import tornado.web", "core.a:1 imports tornado.web"),
        ("core/a.py", "from ..story import world", "core.a:1 imports novel_jupyter.story.world"),
        (
            "core/a.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import os",
            "core.a:3 imports os",
        ),
        ("story/a.py", "from novel_jupyter.server import app", "story.a:1 imports novel_jupyter.server.app"),
        ("story/a.py", "import random", "story.a:1 imports random"),
        ("server/a.py", "from ..story.director import X", "server.a:1 imports novel_jupyter.story.director"),
        ("server/a.py", "from ..story import director", "server.a:1 imports novel_jupyter.story.director"),
        ("server/a.py", "from .. import kernel", "server.a:1 imports novel_jupyter.kernel"),
        (
            "server/deep/a.py",
            "from ...kernel import client",
            "server.deep.a:1 imports novel_jupyter.kernel.client",
        ),
        ("kernel/a.py", "import novel_jupyter.server.app", "kernel.a:1 imports novel_jupyter.server.app"),
        ("kernel/a.py", "import requests", "kernel.a:1 imports requests"),
        ("kernel/a.py", "def f():\n    import anywidget", "kernel.a:2 imports anywidget"),
        ("core/a.py", "from ..cli import main", "core.a:1 imports novel_jupyter.cli"),
        ("__init__.py", "from .core import model", "novel_jupyter:1 loads novel_jupyter.core.model"),
    ],
)
def test_a_wrong_arrow_is_found(tmp_path: Path, file: str, text: str, complaint: str) -> None:
    modules = ["core/model", "story/director", "story/world", "server/app", "kernel/client", "cli"]
    files = {f"{name}.py": "" for name in modules} | {f"{name}/__init__.py": "" for name in LAYERS}
    wrong = arrows(_made_up(tmp_path, files | {file: text}), LAYERS, _stdlib())
    assert len(wrong) == 1
    assert complaint in wrong[0]


def test_right_arrows_are_left_alone(tmp_path: Path) -> None:
    tree = _made_up(
        tmp_path,
        {
            "__init__.py": "def __getattr__(name):\n    from .kernel import client\n",
            "cli.py": "from .server import app\nfrom .kernel import client\nimport subprocess\n",
            "core/model.py": "import re\nfrom pydantic import BaseModel\nfrom . import patch\n",
            "core/patch.py": "from collections.abc import Mapping\n",
            "story/world.py": "import yaml\nfrom ..core.model import State\n",
            "server/app.py": "import sqlite3\nfrom .. import __version__\nfrom ..story import world\n",
            "kernel/client.py": "import tornado.websocket\nfrom ..story.world import World\n",
        },
    )
    assert arrows(tree, LAYERS, _stdlib()) == []
    assert circles(tree) == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("async def f(): ...", "is asynchronous"),
        ("from datetime import datetime, UTC\ndatetime.now(UTC)", "calls datetime.now"),
        ("import datetime\ndatetime.datetime.now()", "calls datetime.datetime.now"),
        ("import datetime\ndatetime.date.today()", "calls datetime.date.today"),
        ("open('x')", "calls open"),
    ],
)
def test_an_impurity_is_found(tmp_path: Path, text: str, complaint: str) -> None:
    wrong = impurities(_made_up(tmp_path, {"core/a.py": text, "server/a.py": text}), LAYERS)
    assert len(wrong) == 1
    assert complaint in wrong[0]


def test_a_circle_is_found_and_a_late_import_is_none(tmp_path: Path) -> None:
    files = {"core/a.py": "from . import b", "core/b.py": "from .c import x", "core/c.py": "from .a import y"}
    assert circles(_made_up(tmp_path, files)) == [
        "novel_jupyter.core.a → novel_jupyter.core.b → novel_jupyter.core.c → novel_jupyter.core.a"
    ]
    late = {"core/c.py": "def f():\n    from .a import y"}
    assert circles(_made_up(tmp_path, late)) == []


def test_a_long_file_and_a_needless_reason_are_found(tmp_path: Path) -> None:
    _made_up(tmp_path, {"core/a.py": "x = 1\n" * (MOST_LINES + 1), "core/b.py": "x = 1\n"})
    assert long_files(tmp_path, {"novel_jupyter/core/b.py": "once long"}) == [
        f"novel_jupyter/core/a.py has {MOST_LINES + 1} lines",
        "novel_jupyter/core/b.py needs no exception",
    ]
