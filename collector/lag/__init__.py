"""Who made the lag: round trips and bytes in, incidents with their cause and evidence out.

Everything here is pure (no clock, socket, file or store): the collector's loop feeds one ``LagTick`` per tick, and the
same code runs over recorded ticks. ``baseline`` knows what is usual for a target, ``detector`` where an incident begins
and ends, ``attribution`` who made it, ``evidence`` says it in a sentence.
"""
