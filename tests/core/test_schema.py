"""The documents of the wire: they are whole, they say what the tables say, and none is stale.

Law: what is generated is compared with the models, never with itself.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from novel_jupyter.core.errors import CLOSE, CODES, UNDECIDED, may_reconnect
from novel_jupyter.core.events import KINDS
from novel_jupyter.core.messages import TYPES
from novel_jupyter.core.policy import MAY
from novel_jupyter.core.room import HANDLERS
from novel_jupyter.core.schema import asyncapi, protocol_schema, render_tables

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "generate_protocol.py"


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def resolve(document: Any, ref: str) -> Any:
    """What a local reference points at. Raises KeyError if there is nothing."""
    for part in ref.removeprefix("#/").split("/"):
        document = document[part.replace("~1", "/").replace("~0", "~")]
    return document


@pytest.mark.parametrize("document", [protocol_schema(), asyncapi()], ids=["schema", "asyncapi"])
def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    found = set(references(document))
    assert len(found) > 50
    for ref in found:
        assert isinstance(resolve(document, ref), dict)


def test_names_are_those_of_the_models() -> None:
    """No two models share a name: pydantic would then call them by their modules."""
    assert [name for name in protocol_schema()["$defs"] if not re.fullmatch(r"[A-Z][A-Za-z]+", name)] == []


def test_the_sealed_partition_is_promised_to_nobody() -> None:
    rules = protocol_schema()["$defs"]["RuleState"]
    assert "turn" in rules["properties"]
    assert "sealed" not in rules["properties"]
    assert "sealed" not in rules["required"]


def test_clients_are_given_the_tables() -> None:
    constants = protocol_schema()["x-constants"]
    assert set(constants["UNDECIDED_CODES"]) == UNDECIDED
    assert constants["ERROR_CODES"] == CODES
    assert {int(code) for code in constants["CLOSE_CODES"]} == set(CLOSE)
    assert constants["MAY"].keys() == MAY.keys()


def test_asyncapi_names_each_message_once() -> None:
    document = asyncapi()
    assert document["asyncapi"] == "3.0.0"
    listed = [m for operation in document["operations"].values() for m in operation["messages"]]
    assert len(listed) == len({m["$ref"] for m in listed}) == len(document["components"]["messages"])


def rows(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()[2:]]


def test_tables_have_a_row_for_everything() -> None:
    tables = render_tables()
    sent = {(row[1] or row[0]).strip("`") for row in rows(tables["client-messages"])}
    assert sent >= set(HANDLERS)
    assert sent - set(MAY) == {"join_session", "leave_session", "state_sync"}
    assert {row[0].strip("`") for row in rows(tables["client-messages"])} == set(TYPES)
    assert {row[1].strip("`") for row in rows(tables["events"])} == set(KINDS)
    assert {row[0].strip("`") for row in rows(tables["permissions"])} == set(MAY)
    assert {row[0].strip("`") for row in rows(tables["error-codes"])} == set(CODES)
    assert {int(row[0]): row[2] == "yes" for row in rows(tables["close-codes"])} == {
        code: may_reconnect(code) for code in CLOSE
    }


def test_tables_are_tables() -> None:
    for name, table in render_tables().items():
        lines = table.splitlines()
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1, name


def test_nobody_forgot_to_generate() -> None:
    run = subprocess.run(
        [sys.executable, str(SCRIPT), "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert run.returncode == 0, f"run `python scripts/generate_protocol.py`:\n{run.stderr}{run.stdout}"


def test_markers_are_filled_and_unknown_ones_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    from generate_protocol import spec  # type: ignore[import-not-found]  # a script, not a module of the package

    text = "a\n<!-- table:x:begin -->\nold\n<!-- table:x:end -->\nb\n"
    filled = spec(text, {"x": "| new |"})
    assert filled == "a\n<!-- table:x:begin -->\n| new |\n<!-- table:x:end -->\nb\n"
    assert spec(filled, {"x": "| new |"}) == filled
    with pytest.raises(ValueError, match="no table is named 'y'"):
        spec("<!-- table:y:begin --><!-- table:y:end -->", {"x": ""})
