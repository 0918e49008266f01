"""``autoqos lag``: incidents out of the store, their list and summary, one of them drawn in the terminal or as PNG."""
