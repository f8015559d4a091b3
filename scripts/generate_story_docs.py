"""Writes what follows from the format of story files: `generate_story_docs.py [--check]`.

Law: the schema is the only source. With `--check` nothing is written, and exit 1 says what is stale.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from novel_jupyter.story.writing import SCHEMA_FILE, schema_text, tables

ROOT = Path(__file__).parents[1]
SCHEMA = ROOT / "novel_jupyter" / "story" / SCHEMA_FILE
DOCS = ROOT / "docs" / "stories.md"
BLOCK = re.compile(r"(<!-- format:begin -->\n).*?(<!-- format:end -->)", re.DOTALL)


def main() -> int:
    text = DOCS.read_text("utf-8")
    fresh = {SCHEMA: schema_text(), DOCS: BLOCK.sub(lambda found: found[1] + tables() + found[2], text)}
    stale = [path for path, now in fresh.items() if not path.exists() or path.read_text("utf-8") != now]
    if "--check" in sys.argv:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is stale: run `make types`")
        return 1 if stale else 0
    for path in stale:
        path.write_text(fresh[path], "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
