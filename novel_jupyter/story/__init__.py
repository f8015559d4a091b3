"""The story engine: what may happen, who wants it, and how it is told.

Law: pure apart from one awaited port, the brain. No clock, no network, no global randomness: the same
state, seed and proposals give the same bytes. Nothing here writes into what it was given.
Parts: the data model (`schema`, `loader`, `actions`, `world`), the rules (`dice`, `rules`, `reduce`,
`resolve`), and the agents (`director`, `persona`, `chronicler`) with their brain (`brain`, `offline`).
"""
