"""Game mode: programs that do not get along with a packet driver pause enforcement while they run.

``names`` is pure (the list, and who of the running programs is on it), ``watch`` reads the running programs,
``anticheat.txt`` is the shipped list. Nothing here touches packets: the loop asks, and closes every handle.
"""
