"""Several servers of one store as one login: whoever asks, asks the server that is tried at present.

Law: which server that is changes only when the connection says that it is lost, refused or draining. A
credential that one of them does not take is given up only when all of them refused it. With one address
nothing is different from that address alone.
Parts: `Addresses`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from .access import Login

REFUSALS: Final = 2
"""A server that is just starting may not know its kernels yet; after that it means no."""


class Addresses:
    """A `Login`. Raises ValueError without any address."""

    def __init__(self, logins: Sequence[Login]) -> None:
        if not logins:
            raise ValueError("at least one server's address is needed")
        self.logins = tuple(logins)
        self._at = 0
        self._refusals = [0] * len(self.logins)
        self._held = [0.0] * len(self.logins)

    def __repr__(self) -> str:
        return f"Addresses({', '.join(map(repr, self.logins))})"

    @property
    def present(self) -> Login:
        return self.logins[self._at]

    @property
    def in_order(self) -> tuple[Login, ...]:
        """All of them, the present one first."""
        return self.logins[self._at :] + self.logins[: self._at]

    @property
    def base_url(self) -> str:
        return self.present.base_url

    async def headers(self, *, fresh: bool = False) -> dict[str, str]:
        return await self.present.headers(fresh=fresh)

    def renew_in(self) -> float | None:
        return self.present.renew_in()

    async def renewal(self) -> str | None:
        return await self.present.renewal()

    # --- which

    def taken(self) -> None:
        """The present server took the login."""
        self._refusals[self._at] = 0

    def refused(self) -> bool:
        """The present server did not take the login; True when there is no sense in asking any more."""
        self._refusals[self._at] += 1
        return all(count >= REFUSALS for count in self._refusals)

    def hold(self, until: float) -> None:
        """The present server asks not to be asked before then."""
        self._held[self._at] = until

    def next(self, now: float, *, elsewhere: bool) -> float:
        """Seconds after which the next attempt may be made: here, or `elsewhere` if there is anywhere else.

        A server that is held back is passed over for one that is not.
        """
        if elsewhere:
            count = len(self.logins)
            order = [(self._at + step) % count for step in range(1, count + 1)]
            self._at = min(order, key=lambda at: max(now, self._held[at]))
        return max(0.0, self._held[self._at] - now)
