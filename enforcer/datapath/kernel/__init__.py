"""The ``Datapath`` of Linux that no packet leaves the kernel for: eBPF programs choose, the kernel's HTB holds.

``layout``, ``programs`` and ``rtnetlink`` are pure; ``devices`` makes the queues, ``attachments`` puts the programs in
place, ``session`` is what the loop talks to. Policy, allocation and records know nothing of it.
"""
