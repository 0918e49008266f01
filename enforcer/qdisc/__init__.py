"""Queueing disciplines: token bucket, CoDel, FQ-CoDel, the shaper of one application, and the classifier in front.

Pure and sans-io: packets in, packets to send now out, ``now_ns`` an argument. No clock, thread, lock, socket, file or
log line may enter.
"""
