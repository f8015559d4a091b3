"""A sample of the chronicle for people to read: a hundred sentences over stories, seeds and styles.

Law: the same bank, seeds and stories give the same sentences. A verdict belongs to the words it was given
for: what reads otherwise now has none, until somebody has read it.
Parts: `sample`, `READ` (the sentences with their verdicts), and a command that writes the file anew:
`python tests/story/reading.py`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final, TypedDict

sys.path.insert(0, str(Path(__file__).parents[1]))

from story.playing import play

from novel_jupyter.story.chronicler import FIRST_PERSON, ChroniclerAgent
from novel_jupyter.story.loader import bundled, load_bundled
from novel_jupyter.story.schema import Story

READ: Final = Path(__file__).with_name("read_sentences.json")
SIZE: Final = 100
TONES: Final = ("terse", "noir", "fairy_tale")
SEEDS: Final = ("first", "second")


class Read(TypedDict):
    where: str
    """Story, style, seed, turn."""
    before: str
    """The end of what stands before it: a pronoun is right or wrong by that."""
    text: str
    verdict: str
    """`right`, or what is wrong with it, or `unread`."""


def _styles(story: Story) -> list[tuple[str, str | None]]:
    people = sorted(story.characters)
    return [*((tone, None) for tone in TONES), (FIRST_PERSON, people[0]), (FIRST_PERSON, people[-1])]


def sample() -> list[Read]:
    """The sentences, evenly over the plays, as `unread`."""
    found: list[list[Read]] = []
    for name in bundled():
        story = load_bundled(name)
        for style, of in _styles(story):
            for seed in SEEDS:
                teller = ChroniclerAgent(style=style, of=of)
                narratives = play(f"{seed} {style}", story=story, chronicler=teller).narratives
                found.append([])
                for narrative in narratives:
                    before = ""
                    for sentence in narrative.sentences:
                        where = f"{name}, {style}{f' of {of}' if of else ''}, {seed}, turn {narrative.turn}"
                        text = sentence.text
                        found[-1].append(Read(where=where, before=before, text=text, verdict="unread"))
                        before = text[-80:]
    each = [SIZE // len(found) + (index < SIZE % len(found)) for index in range(len(found))]
    chosen: list[Read] = []
    for told, count in zip(found, each, strict=True):
        for index in range(count):
            at = (2 * index + 1) * len(told) // (2 * count)
            # The stories' own lines come again in every play.
            fresh = (one for one in told[at:] if all(one["text"] != other["text"] for other in chosen))
            chosen.append(next(fresh, told[at]))
    return chosen


def read() -> list[Read]:
    """What was read."""
    kept: list[Read] = json.loads(READ.read_text("utf-8"))
    return kept


def write() -> int:
    """The sample of today, with the verdicts that still hold; returns how many are unread."""
    known = {(each["before"], each["text"]): each["verdict"] for each in read()} if READ.exists() else {}
    today = [
        Read(
            where=each["where"],
            before=each["before"],
            text=each["text"],
            verdict=known.get((each["before"], each["text"]), "unread"),
        )
        for each in sample()
    ]
    READ.write_text(json.dumps(today, ensure_ascii=False, indent=1) + "\n", "utf-8")
    return sum(each["verdict"] == "unread" for each in today)


if __name__ == "__main__":
    sys.stdout.write(f"{write()} of {SIZE} are unread in {READ.name}\n")
