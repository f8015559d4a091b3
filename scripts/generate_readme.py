"""Writes the configuration table of the README from the traits: `generate_readme.py [--check]`.

Law: the traits are the only source. With `--check` nothing is written, and exit 1 says that it is stale.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from novel_jupyter.server.app import NovelApp

README = Path(__file__).parents[1] / "README.md"
BLOCK = re.compile(r"(<!-- traits:begin -->\n).*?(<!-- traits:end -->)", re.DOTALL)


def table() -> str:
    """One row for each trait that `NovelApp` itself adds."""
    rows = ["| setting | default | what it does |", "|---|---|---|"]
    traits = NovelApp.class_own_traits(config=True)
    for name in NovelApp.__dict__:
        if name in traits:
            trait = traits[name]
            default = trait.default_value_repr().replace("|", "\\|")
            rows.append(f"| `NovelApp.{name}` | `{default}` | {trait.help} |")
    return "\n".join(rows) + "\n"


def main() -> int:
    text = README.read_text("utf-8")
    fresh = BLOCK.sub(lambda found: found[1] + table() + found[2], text)
    if fresh == text:
        return 0
    if "--check" in sys.argv:
        print("README.md is stale: run `make types`")
        return 1
    README.write_text(fresh, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
