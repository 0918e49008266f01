"""Processes of this machine: read by one file per system, remembered by PID and start, named as applications."""

from qos.system.processes.cache import KEEP_GONE_NS, KEEP_NS, MAX_ENTRIES, Processes, ProcessSource, SystemReader

__all__ = ["KEEP_GONE_NS", "KEEP_NS", "MAX_ENTRIES", "ProcessSource", "Processes", "SystemReader"]
