"""What a server remembers of the latest appends, so that a store that lost them gets them back.

Law: bounded, and only ever a help: the log is the truth while it has what it acknowledged.
Parts: `Made` (a command that this server decided), `Journal`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable

from novel_jupyter.core.draft import Result as CoreResult
from novel_jupyter.core.events import Event
from novel_jupyter.core.frozen import frozen
from novel_jupyter.core.incoming import parse
from novel_jupyter.core.messages import ClientMessage
from novel_jupyter.core.policy import Principal
from novel_jupyter.core.room import ANY_CONTENT, HOST

from .archive import result_of, result_row
from .ports import Result, ResultKey, Store

RESULTS = 1024
MADE = 1024
MADE_BYTES = 512 * 1024
AS_IT_CAME = 4096
"""Characters of a command up to which it is remembered as it came; a longer one may be blanks, for the most
part.
"""


@frozen
class Made:
    """A command that was acknowledged here, as JSON, and the last event that it made."""

    sequence_id: int
    author: Principal
    said: bytes
    known: int | None = None
    """When it had been lost before: the last event that its author can have known."""

    @classmethod
    def of(
        cls, sequence_id: int, author: Principal, message: ClientMessage, said: str, known: int | None
    ) -> Made:
        """`said`: the message as it came, or nothing."""
        if not 0 < len(said) <= AS_IT_CAME:
            said = message.model_dump_json(exclude_unset=True)
        return cls(sequence_id, author, said.encode(), known)

    @property
    def message(self) -> ClientMessage:
        return parse(self.said)


def key_of(event: Event) -> ResultKey | None:
    """The key of the command that made the event; None for what was none."""
    if event.id is None or event.user_id is None:
        return None
    client_id, _, n = event.id.rpartition(":")
    if not n.isdecimal():
        return None  # a join
    return (HOST if client_id.startswith("host:") else event.user_id, client_id, int(n))


def decided_at(result: Result) -> int:
    """The sequence_id that was answered."""
    return result_of(result).sequence_id


def _outcome(event: Event) -> str:
    return str(event.data.get("outcome", "applied")) if event.data["kind"] == "edit" else "applied"


class Journal:
    """Of one session: the latest results, whoever decided them, and the commands decided here.

    Both by the thousand, and hardly ever wanted: they are kept as plain tuples of texts and numbers, which
    are nothing that Python's collector would look at.
    """

    def __init__(self) -> None:
        self._results: deque[tuple[str, str, int, str, bytes]] = deque(maxlen=RESULTS)
        self._made: deque[tuple[int, int, bytes, int | None]] = deque()
        self._authors: dict[Principal, int] = {}
        """Whom the numbers in `_made` mean."""
        self._bytes = 0
        self._owed: dict[ResultKey, None] = {}

    def learn(self, results: Iterable[Result]) -> None:
        """Remember results that are in the store."""
        for result in results:
            self._owed.pop(result.key, None)
            self._results.append(_fields(result))

    def owe(self, events: Iterable[Event]) -> None:
        """Events came without their results."""
        for event in events:
            key = key_of(event)
            if key is not None:
                self._owed[key] = None
        while len(self._owed) > RESULTS:
            del self._owed[next(iter(self._owed))]

    async def settle(self, store: Store, session_id: str) -> None:
        """Look up the results that are owed. Raises StoreError."""
        for principal, client_id in dict.fromkeys(key[:2] for key in self._owed):
            rows = await store.results(session_id, principal, client_id)
            self.learn([row for row in rows if row.key in self._owed])
        self._owed.clear()

    def decided(self, made: Made) -> None:
        if len(self._authors) >= 2 * MADE:
            self._keep(self._commands())
        author = self._authors.setdefault(made.author, len(self._authors))
        self._made.append((made.sequence_id, author, made.said, made.known))
        self._bytes += len(made.said)
        while len(self._made) > MADE or self._bytes > MADE_BYTES:
            self._bytes -= len(self._made.popleft()[2])

    def _commands(self) -> list[Made]:
        authors = list(self._authors)
        return [Made(at, authors[author], said, known) for at, author, said, known in self._made]

    def _keep(self, commands: Iterable[Made]) -> None:
        """These, and their authors alone."""
        self._made.clear()
        self._authors.clear()
        self._bytes = 0
        for made in commands:
            self.decided(made)

    def results_from(
        self, sequence_id: int, events: Iterable[Event], besides: Collection[ResultKey]
    ) -> list[Result]:
        """The results decided at or after `sequence_id`, each key once.

        Where the result of a command among `events` was never heard, there is one that any content fits: it
        is known that the command was acknowledged, and it must not be decided again.
        """
        found = {
            key: result_row(
                CoreResult(*key, ANY_CONTENT, event.sequence_id, {"kind": "ack", "outcome": _outcome(event)})
            )
            for event in events
            if (key := key_of(event)) is not None
        }
        kept = [Result(*fields) for fields in self._results]
        found |= {result.key: result for result in kept if decided_at(result) >= sequence_id}
        return [result for key, result in found.items() if key not in besides]

    def forget_after(self, sequence_id: int) -> None:
        """What came after is of a history that is no more."""
        kept = [fields for fields in self._results if decided_at(Result(*fields)) <= sequence_id]
        self._results = deque(kept, maxlen=RESULTS)
        self._keep([made for made in self._commands() if made.sequence_id <= sequence_id])
        self._owed.clear()

    def made_after(self, sequence_id: int) -> list[Made]:
        return [made for made in self._commands() if made.sequence_id > sequence_id]


def _fields(row: Result) -> tuple[str, str, int, str, bytes]:
    return row.principal, row.client_id, row.n, row.digest, row.body
