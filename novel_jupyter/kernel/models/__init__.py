"""Models behind the engine's port: optional, and never more than the port allows.

Law: a model chooses among what is offered and finds words; whatever it says is checked by the rules like
anybody's. Without the extra (`pip install novel_jupyter[llm]`) everything else works. A key is read by the
provider's own library; nothing here stores, shows or sends it.
Parts: `account` (caps, what was spent, what was asked), `exchange` (what is recorded), `prompts` (views to
text), `replies` (text to sentences), `secrets` (text without keys), `calls` (the only module that knows
pydantic-ai), `brain` (the port), `chosen` (the one string).
"""
