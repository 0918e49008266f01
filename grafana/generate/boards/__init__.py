"""One module a dashboard: which panels it has, in the order they are read, and what they ask."""
