"""Who gets which rate: measured demand, the capacity to share, max-min allocation, and the filters that follow from it.

Pure: a function of (now, samples, state). No clock, thread, lock, socket, file or log line may enter.
"""
