"""The operating system: clock, ICMP echo, processes, socket tables, privileges. One file per system, chosen once."""
