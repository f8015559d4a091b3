"""Text without keys, wherever a library keeps them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from pydantic import SecretStr

from novel_jupyter.kernel.models.secrets import LEAST, keys_in, scrubbed

KEY = "k-0123456789abcdef"


@pytest.mark.parametrize(
    "model",
    [
        SimpleNamespace(api_key=KEY),
        SimpleNamespace(client=SimpleNamespace(_auth_token=KEY)),
        SimpleNamespace(wrapped=[SimpleNamespace(provider={"headers": {"Authorization": f"Bearer {KEY}"}})]),
        SimpleNamespace(anything=SecretStr(KEY)),
        {"aws": {"aws_secret_access_key": KEY}},
    ],
)
def test_a_key_is_found_in_a_model(model: object) -> None:
    assert keys_in(model) == {KEY}


def test_what_is_no_key_stays() -> None:
    assert keys_in(SimpleNamespace(name=KEY, api_key="short", token=None, key=7)) == frozenset()


def test_a_model_that_holds_itself_is_searched_once() -> None:
    model = SimpleNamespace(api_key=KEY)
    model.model = model
    assert keys_in(model) == {KEY}


def test_longer_keys_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_PROVIDERS_API_KEY", KEY)
    monkeypatch.setenv("ANOTHER_TOKEN", "x" * (LEAST - 1))
    assert scrubbed(f"{KEY}{KEY}99 {'x' * (LEAST - 1)}", {f"{KEY}99"}) == f"…… {'x' * (LEAST - 1)}"
