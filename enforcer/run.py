"""The enforcer's entry point: opens the store, lets the loop run until it is told to stop."""

import sys
import threading
from pathlib import Path

from enforcer.datapath.background import InBackground
from enforcer.datapath.choice import DatapathChoice
from enforcer.datapath.interface import DatapathFactory
from enforcer.datapath.port import DivertPort
from enforcer.datapath.session import DivertDatapath, Tools
from enforcer.game_mode.watch import GameWatch
from enforcer.locked_processes import LockedProcesses
from enforcer.loop import Loop
from enforcer.qdisc.codel import LINUX, WINDOWS
from qos.contract.config import Config
from qos.packets.divert.filters import LINUX_EXACT, MAX_TESTS
from qos.service import ConfigWatcher, store_path
from qos.store.sqlite.store import SqliteStore
from qos.system import clock
from qos.system.processes.priority import hurry


def run(config: Config, config_path: Path | None, data: Path, stop: threading.Event) -> int:
    """Enforce until ``stop`` is set; the exit status. Raises ConfigError when the user must act."""
    store = SqliteStore.when_available(store_path(data), stop, retention=config.retention)
    if store is None:
        return 0
    hurry()
    with store:
        processes = LockedProcesses(config.collector.name_by_script)
        chosen = DatapathChoice(DivertDatapath(machine(processes)), kernel(processes), config.enforcer.datapath)
        datapath = InBackground(chosen)
        Loop(
            config,
            store,
            datapath,
            ConfigWatcher(config_path),
            clock=clock.SYSTEM,
            processes=processes,
            open_early=sys.platform != "win32",
            games=GameWatch(config_path),
        ).run(stop)
    return 0


def machine(processes: LockedProcesses) -> Tools:
    """The real port, clock and processes of this machine."""
    windows = sys.platform == "win32"
    return Tools(
        port=DivertPort(),
        clock=clock.SYSTEM,
        processes=processes,
        platform=WINDOWS if windows else LINUX,
        max_ports=MAX_TESTS if windows else LINUX_EXACT,
    )


def kernel(processes: LockedProcesses) -> DatapathFactory | None:
    """The kernel's own queues, where this system has any."""
    if sys.platform == "linux":
        from enforcer.datapath.kernel.session import KernelDatapath, KernelTools

        return KernelDatapath(KernelTools(clock.SYSTEM, processes))
    return None
