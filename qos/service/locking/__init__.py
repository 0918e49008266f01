"""One instance of a part per data directory: the operating system's lock on an open file, one file per system."""

from qos.service.locking.lock import InstanceLock, instance_lock

__all__ = ["InstanceLock", "instance_lock"]
