"""The embedded store: one SQLite file (WAL) that several processes read and write at once. ``store`` is its face."""
