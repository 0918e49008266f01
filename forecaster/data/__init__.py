"""Series: which ones a host has, read from a store or a CSV file onto a regular grid, and windows cut out of it.

``frames`` and ``windows`` are pure; ``series``, ``source`` and ``csvfile`` read.
"""
