"""What every part's process needs around its work: a data directory, one instance, a way to stop, a log, a heartbeat.

Each noun has a file; this is the front door. It knows nothing of packets, points or models.
"""

from qos.service.datadir import STORE_NAME, data_dir, keep_files_private, make_data_dir, private_files, store_path
from qos.service.heartbeat import HeartbeatWriter, StateWriter, writer_lives, written_by_the_living
from qos.service.interpreter import ChildCommand, child_command, module_argv
from qos.service.locking import InstanceLock, instance_lock
from qos.service.logs import set_up_logging
from qos.service.stop import stop_on_signals, stop_with_parent
from qos.service.usage import OwnUsage, SelfUsage
from qos.service.watcher import ConfigChange, ConfigWatcher

__all__ = [
    "STORE_NAME",
    "ChildCommand",
    "ConfigChange",
    "ConfigWatcher",
    "HeartbeatWriter",
    "InstanceLock",
    "OwnUsage",
    "SelfUsage",
    "StateWriter",
    "child_command",
    "data_dir",
    "instance_lock",
    "keep_files_private",
    "make_data_dir",
    "module_argv",
    "private_files",
    "set_up_logging",
    "stop_on_signals",
    "stop_with_parent",
    "store_path",
    "writer_lives",
    "written_by_the_living",
]
