"""The ``kernel`` backend (Linux, root): eBPF programs at the cgroup v2 root count bytes per socket; read once a tick.

``layout`` and ``programs`` are pure; ``qos.bpf`` assembles and loads them; ``backend`` is what runs.
"""
