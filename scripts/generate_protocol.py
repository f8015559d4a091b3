"""Writes every file that follows from the models of the wire: `generate_protocol.py [--check]`.

Law: the models are the only source; equal models give equal bytes. With `--check` nothing is written, and
exit 1 says which files are stale. The TypeScript types need node and its packages; where they are absent
only that file is left out, and it is said so.
Parts: `documents` (path → text), `spec` (tables between their markers), `typescript`, the command line.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from vectors import vectors

from novel_jupyter.core.schema import asyncapi, protocol_schema, render_tables

ROOT = Path(__file__).parents[1]
LABEXT = ROOT / "labextension"
SPEC = ROOT / "novel_jupyter" / "core" / "SPEC.md"


def pretty(document: object) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def documents() -> dict[Path, str]:
    """Every generated file but the TypeScript types."""
    found = {
        LABEXT / "schema" / "protocol.json": pretty(protocol_schema()),
        LABEXT / "schema" / "asyncapi.json": pretty(asyncapi()),
        # Lone surrogates are among them, which only escapes can write.
        LABEXT / "tests" / "vectors.json": json.dumps(vectors(), indent=1) + "\n",
    }
    if SPEC.exists():
        found[SPEC] = spec(SPEC.read_text("utf8"), render_tables())
    return found


def spec(text: str, tables: Mapping[str, str]) -> str:
    """`text` with each table between its markers. Raises ValueError for a marker without a table."""

    def filled(match: re.Match[str]) -> str:
        name = match[1]
        if name not in tables:
            raise ValueError(f"no table is named {name!r}; there are {', '.join(tables)}")
        return f"<!-- table:{name}:begin -->\n{tables[name]}\n<!-- table:{name}:end -->"

    return re.sub(r"<!-- table:([\w-]+):begin -->.*?<!-- table:\1:end -->", filled, text, flags=re.DOTALL)


def typescript(check: bool) -> bool:
    """Run the generator of the types; False if they are stale or could not be made."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    node = shutil.which("node", path=path)
    if node is None or not (LABEXT / "node_modules" / "json-schema-to-typescript").exists():
        sys.stderr.write(
            "src/protocol.ts was left out: there is no node, or its packages are not installed\n"
        )
        return True
    args = [
        node,
        "scripts/generate.mjs",
        "schema/protocol.json",
        "src/protocol.ts",
        *(["--check"] if check else []),
    ]
    return subprocess.run(args, cwd=LABEXT, check=False).returncode == 0


def main(check: bool) -> int:
    stale = []
    for path, text in documents().items():
        if path.exists() and path.read_text("utf8") == text:
            continue
        stale.append(path.relative_to(ROOT).as_posix())
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf8")
    for name in stale:
        sys.stderr.write(f"{name} {'is stale: run `make types`' if check else 'was written'}\n")
    good = typescript(check)
    return 1 if not good or (check and stale) else 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
