"""Opening the file and coming back when that goes wrong: one unit, the only code that connects to SQLite.

``header`` says whose the file is before SQLite sees it, ``connections`` connects, ``prepare`` makes, migrates and
checks, ``damage`` says what SQLite's errors mean and moves a damaged file aside, ``database`` is all of it for callers.
Tables, rows and reads live outside.
"""
