"""The ``kernel`` backend (Linux, root): eBPF programs at the cgroup v2 root count bytes per socket; read once a tick.

``assembler``, ``layout`` and ``programs`` are pure; ``bpf_system`` makes the system calls; ``backend`` is what runs.
"""
