"""The rules of collaboration: pure functions over plain data. No async, I/O, clock or randomness."""
