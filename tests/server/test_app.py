"""The extension: every setting is a documented trait, and reaches the record that is read."""

from __future__ import annotations

import logging
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from traitlets import TraitError

from novel_jupyter.core.limits import Bounds
from novel_jupyter.server import app
from novel_jupyter.server.app import NovelApp
from novel_jupyter.server.config import Config
from novel_jupyter.server.events_log import Log
from novel_jupyter.server.ports import StoreClosed
from novel_jupyter.server.stores import open_store, sqlite_path

ELSEWHERE = {
    "model",
    "public_url",
    "service_urls",
    "store",
    "wait_replicas",
    "wait_timeout",
    "keep_entries",
    "synchronous",
    "story_folders",
}
"""Read by the application itself."""
SETTINGS = {"turn_policy", "collect_timeout", "understudy_after", "review", "default_role"}


def test_defaults_are_those_of_the_records() -> None:
    app = NovelApp()
    assert app.config_record() == Config()
    assert app.config_record().bounds == Bounds()


def test_every_bound_is_a_setting_with_words() -> None:
    traits = NovelApp.class_own_traits(config=True)
    assert all(str(trait.help).strip().endswith((".", ").")) for trait in traits.values())
    named = {name.removeprefix("max_") for name in traits}
    assert {field.name for field in fields(Bounds)} <= named
    internal = {"bounds", "default_settings", "timer"}
    assert {field.name for field in fields(Config)} - internal <= set(traits)
    known = {field.name for field in fields(Config)} | {f"max_{field.name}" for field in fields(Bounds)}
    assert set(traits) - ELSEWHERE - SETTINGS <= known


@pytest.mark.parametrize("name", sorted(set(NovelApp.class_own_traits(config=True)) - ELSEWHERE - SETTINGS))
def test_every_setting_arrives(name: str) -> None:
    app = NovelApp()
    before: Any = getattr(app, name)
    changed: Any = {"": "none"} if isinstance(before, dict) else before + type(before)(1)
    try:
        setattr(app, name, changed)
    except TraitError:  # at its upper end
        changed -= 2
        setattr(app, name, changed)
    record = app.config_record()
    found = getattr(record, name, None) or getattr(record.bounds, name.removeprefix("max_"), None)
    assert found == changed


def test_the_public_address_arrives() -> None:
    assert NovelApp(public_url="https://a.example/").config_record().public_url == "https://a.example/"


def test_the_service_is_named_by_a_trait_or_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert NovelApp().service_urls == []
    monkeypatch.setenv("NOVEL_JUPYTER_SERVICE_URL", "http://hub:1/services/novel/, http://hub:2/x,")
    assert NovelApp().service_urls == ["http://hub:1/services/novel/", "http://hub:2/x"]
    assert NovelApp(service_urls=["http://mine/"]).service_urls == ["http://mine/"]


def test_settings_of_new_sessions_arrive() -> None:
    app = NovelApp(
        turn_policy="vote", collect_timeout=5.0, review=True, default_role="none", understudy_after=1.0
    )
    assert app.config_record().default_settings == {
        "turn_policy": "vote",
        "collect_timeout": 5.0,
        "understudy_after": 1.0,
        "review": True,
        "default_role": "none",
    }
    assert NovelApp().config_record().default_settings["collect_timeout"] is None


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("max_patch_ops", 513),
        ("max_chat_chars", 0),
        ("tick", 0.0),
        ("turn_policy", "chaos"),
        ("idle_timeout", -1.0),
    ],
)
def test_settings_that_make_no_sense_are_refused(name: str, wrong: object) -> None:
    with pytest.raises(TraitError):
        setattr(NovelApp(), name, wrong)


def test_the_database_is_where_it_is_told_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path))
    assert NovelApp().store == f"sqlite:///{tmp_path / 'novel_jupyter' / 'sessions.db'}"
    assert sqlite_path(NovelApp().store) == tmp_path / "novel_jupyter" / "sessions.db"


@pytest.mark.asyncio
async def test_whatever_keeps_the_store_from_opening_it_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tries: list[str] = []

    async def opens(settings: Any) -> Any:
        tries.append("open")
        if len(tries) == 1:
            raise RuntimeError("a fault of our own")
        return await open_store(settings)

    begun: list[Any] = []

    def begin(*opened: Any) -> None:
        begun.append(opened)
        if len(begun) == 1:
            raise RuntimeError("another one")

    monkeypatch.setattr(app, "open_store", opens)
    monkeypatch.setattr(app, "STORE_RETRY", 0.0)
    extension = NovelApp(store=f"sqlite:///{tmp_path / 'sessions.db'}")
    await extension._begin_later(begin, Log(logging.getLogger("novel_jupyter.tests")))
    assert (len(tries), len(begun)) == (3, 2)
    with pytest.raises(StoreClosed):
        await begun[0][0].sessions()
    assert caplog.text.count("RuntimeError") == 2
    store, bus, _ = begun[1]
    await bus.close()
    await store.close()


def test_what_jupyter_starts_does_not_load_what_only_a_story_needs() -> None:
    seen = "import sys, novel_jupyter.server.app; print([m for m in sys.modules if m in sys.argv[1:]])"
    late = ["novel_jupyter.story", "novel_jupyter.kernel", "jwt", "redis", "jupyterhub"]
    done = subprocess.run([sys.executable, "-c", seen, *late], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
