"""eBPF without a compiler: an assembler for programs (pure) and the kernel's ``bpf(2)`` call. It knows no program.

What counts packets lives in ``collector.capture.kernel``, what limits them in ``enforcer.datapath.kernel``.
"""
