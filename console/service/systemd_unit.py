"""The systemd unit. Pure.

It runs as root with all but a few capabilities taken away, because files of root's are what it reads and writes; what
each one is for is said in the unit, and ``tests/console/service`` starts the collector with exactly these, and with
one of them missing. Options: systemd.exec(5), systemd.service(5), capabilities(7).
"""

from typing import Final

from console.service.layout import Layout

CAPABILITIES: Final = {
    "CAP_BPF": "loads the programs that count and divert",
    "CAP_PERFMON": "the kernel's verifier lets those programs read pointers",
    "CAP_NET_ADMIN": "attaches them to cgroups and interfaces, sets queues",
    "CAP_NET_RAW": "sends and receives echo requests, puts packets back",
    "CAP_SYS_PTRACE": "reads which sockets other users' processes have open",
    "CAP_DAC_READ_SEARCH": "reads other users' folders below /proc",
}


def unit(layout: Layout) -> str:
    """The unit's text."""
    command = " ".join([str(layout.python), "-P", "-m", "console", "up", "--quiet", *layout.arguments])
    reasons = "\n".join(f"#   {name}: {why}" for name, why in CAPABILITIES.items())
    return f"""\
# Written by `autoqos service install`; your changes belong in `systemctl edit autoqos`.
[Unit]
Description=AutoQoS: which application uses the network; the important ones win
After=network.target
StartLimitIntervalSec=300
StartLimitBurst=10

[Service]
Type=notify
NotifyAccess=main
ExecStart={command}
Restart=on-failure
RestartSec=5
# The supervisor says twice in this time that it lives.
WatchdogSec=30
# Four seconds are what the parts get to let every packet go.
TimeoutStopSec=15
KillMode=mixed
Environment=PYTHONUNBUFFERED=1

# What it may do:
{reasons}
CapabilityBoundingSet={" ".join(CAPABILITIES)}
NoNewPrivileges=yes
UMask=0027

# What it may touch.
StateDirectory=autoqos
StateDirectoryMode=0750
ConfigurationDirectory=autoqos
ProtectSystem=strict
ReadWritePaths={layout.data}
ReadWritePaths=-/sys/fs/bpf
ProtectHome=read-only
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK AF_PACKET
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service bpf perf_event_open
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
"""
