"""What a server remembers of the latest appends: bounded, and found again (SPEC R76-R79)."""

from __future__ import annotations

import gc
from dataclasses import replace

from server.store_records import make_results

from novel_jupyter.core.draft import Result as CoreResult
from novel_jupyter.core.policy import Principal
from novel_jupyter.server.archive import result_row
from novel_jupyter.server.journal import MADE, MADE_BYTES, RESULTS, Journal, Made

SAID = b'{"type":"leave_session","session_id":"s1","id":"c1:1"}'


def made(at: int, author: str = "ann", said: bytes = SAID) -> Made:
    return Made(at, Principal(author, author.capitalize()), said)


def test_commands_come_back_as_they_were_said() -> None:
    journal = Journal()
    commands = [made(1), made(2, "ben"), replace(made(3), known=1)]
    for command in commands:
        journal.decided(command)
    assert journal.made_after(0) == commands
    assert journal.made_after(2) == commands[2:]
    assert commands[0].message.id == "c1:1"
    journal.forget_after(2)
    assert journal.made_after(0) == commands[:2]
    journal.decided(made(4, "cem"))
    assert [command.author.user_id for command in journal.made_after(0)] == ["ann", "ben", "cem"]


def test_commands_are_bounded_in_number_and_bytes() -> None:
    journal = Journal()
    for n in range(MADE + 5):
        journal.decided(made(n))
    assert [command.sequence_id for command in journal.made_after(-1)] == list(range(5, MADE + 5))
    half = b"x" * (MADE_BYTES // 2)
    for n in range(3):
        journal.decided(made(MADE + 5 + n, said=half))
    assert [command.sequence_id for command in journal.made_after(-1)] == [MADE + 6, MADE + 7]


def test_authors_are_forgotten_with_what_they_said() -> None:
    journal = Journal()
    for n in range(5 * MADE):
        journal.decided(made(n, f"guest{n}"))
    assert len(journal._authors) <= 2 * MADE
    latest = journal.made_after(-1)
    assert [command.author.user_id for command in latest] == [f"guest{n}" for n in range(4 * MADE, 5 * MADE)]


def test_results_come_back_and_are_bounded() -> None:
    journal = Journal()
    rows = [
        result_row(CoreResult("ann", "c1", n, "digest", n, {"kind": "ack", "outcome": "applied"}))
        for n in range(1, RESULTS + 3)
    ]
    journal.learn(rows)
    assert journal.results_from(0, [], ()) == rows[2:]
    assert journal.results_from(RESULTS, [], {rows[-1].key}) == rows[-3:-1]
    journal.forget_after(5)
    assert journal.results_from(0, [], ()) == rows[2:5]


def test_what_is_kept_is_nothing_that_the_collector_looks_at() -> None:
    journal = Journal()
    journal.decided(made(1))
    journal.learn(make_results(1, 2))
    gc.collect()
    assert not any(map(gc.is_tracked, [*journal._made, *journal._results]))


def test_a_command_is_kept_as_it_came_unless_that_is_long() -> None:
    message = made(1).message
    ann = Principal("ann", "Ann")
    came = SAID.decode().replace(":", ": ", 1)
    assert Made.of(1, ann, message, came, None).said == came.encode()
    dumped = message.model_dump_json(exclude_unset=True).encode()
    assert Made.of(1, ann, message, " " * 5000 + came, None).said == dumped
    assert Made.of(1, ann, message, "", None).said == dumped
