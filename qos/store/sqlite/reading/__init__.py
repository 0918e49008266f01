"""Reads: which resolution answers which part of a period (pure), aggregation over raw rows and rollups, queries."""
