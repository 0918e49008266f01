"""Measures: bytes per application, latency, loss and jitter, host interfaces, the applications' CPU and memory.

``capture/`` tells who moved how many bytes, ``interfaces/`` what the machine's interfaces counted, ``probes/`` how the
connection is; ``accounting/`` (pure) makes one tick's points of it. At the top: the loop that ties them together.
Imports ``qos`` only; knows no limit and no view.
"""
