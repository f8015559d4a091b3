"""The cases that every language checks, against judges other than the code that made them.

Law: `labextension/tests/vectors.json` is what `scripts/vectors.py` gives (see test_schema); here its answers
are compared with an independent implementation of RFC 8785 and with what each case must mean.
"""

from __future__ import annotations

import copy
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import rfc8785

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "labextension" / "tests" / "vectors.json").read_text("utf8")
)


@pytest.mark.parametrize("case", VECTORS["canonical"], ids=lambda case: case["canonical"][:20])
def test_canonical_forms_are_those_of_rfc_8785(case: dict[str, Any]) -> None:
    written = rfc8785.dumps(case["value"])
    assert case["canonical"].encode() == written
    assert case["sha256"] == hashlib.sha256(written).hexdigest()


@pytest.mark.parametrize("value", VECTORS["no_canonical_form"], ids=repr)
def test_what_has_no_form_has_none_elsewhere_either(value: object) -> None:
    with pytest.raises((rfc8785.CanonicalizationError, UnicodeEncodeError)):
        rfc8785.dumps(value)  # type: ignore[arg-type]


def test_patches_that_were_refused_name_the_operation() -> None:
    cases = VECTORS["patch"]["cases"]
    refused = [case for case in cases if "error" in case]
    assert {case["error"] for case in refused} == {
        "bad_path",
        "invalid",
        "missing_path",
        "positional",
        "test_failed",
    }
    assert all(0 <= case["index"] < len(case["ops"]) for case in refused)


def test_patches_that_hold_write_what_they_say() -> None:
    """By a reader that knows nothing of copying: walk to the place and write."""
    for case in VECTORS["patch"]["cases"]:
        if "error" in case:
            continue
        doc = copy.deepcopy(VECTORS["patch"]["doc"])
        for op in case["ops"]:
            *way, last = [part.replace("~1", "/").replace("~0", "~") for part in op["path"].split("/")[1:]]
            parent = doc
            for part in way:
                parent = parent[part]
            if op["op"] == "remove":
                del parent[last]
            elif op["op"] != "test":
                parent[last] = copy.deepcopy(op["value"])
        assert doc == case["result"]
