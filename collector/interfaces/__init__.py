"""What the machine's interfaces counted: one listing per system, which of them count, and deltas of their counters.

``counters`` and ``selection`` are pure; ``listing_*`` read the system; ``accounts`` ties them together.
"""
