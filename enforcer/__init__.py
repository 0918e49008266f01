"""Shapes: decides how fast each application may go, and holds its packets to that. Fails open.

``qdisc/`` (pure) is one application's queue, ``allocation/`` (pure) who gets which rate, ``datapath/`` moves packets
between the system and the queues, ``failsafe/`` lets them go when this process dies or stalls. At the top: the loop,
what it reads (``inputs``, ``documents``, ``fast_probes``) and what it writes (``reports``).
"""
