"""Bytes per process on macOS, from what ``nettop`` prints. ``listing`` is pure; never run on a Mac by the authors."""
