"""Whose packet is it: the part of the limiting programs that finds the class of a packet. Pure.

By protocol and local port; what is exempt and what is not unicast TCP or UDP is nobody's. Received fragments without
ports are their first fragment's (``fragments``); sent packets are seen before they are cut. Sources: RFC 791, 8200
(headers), 9293 (TCP), 768 (UDP).
"""

from typing import Final

from enforcer.datapath.kernel import fragments, frame, layout
from qos.bpf.assembler import R0, R1, R6, R7, R8, R9, R10, Assembler, reg

# The EtherTypes as they stand in the packet's context on a little-endian machine.
_IPV4, _IPV6 = 0x0008, 0xDD86
_TCP, _UDP = 6, 17
EXEMPT_BOTH: Final = (53,)
EXEMPT_UDP: Final = (67, 68, 123, 546, 547, 1900, 5353, 5355)
"""As ``enforcer.qdisc.exemptions`` has them; a test holds the two together."""
_TCP_OFFSET, _TCP_FLAGS = 12, 13


def find_class(a: Assembler, tables: frame.Tables, *, sent: bool, other: str) -> None:
    """R7 = the rule, R9 = the class number; ``CONTROL`` on the stack. To ``other`` with everything we do not hold."""
    a.store_imm("u64", R10, frame.CONTROL, 0)
    a.store_imm("u64", R10, frame.FRAGMENT, 0)
    a.load("u32", R7, R6, frame.SKB_PROTOCOL)
    a.jump_if(R7, "==", _IPV4, "ipv4")
    a.jump_if(R7, "!=", _IPV6, other)
    frame.load_header(a, frame.IP, 8, 0, other)
    a.load("u8", R7, R10, frame.IP + 6)
    a.load("u16", R9, R10, frame.IP + 4)
    a.big_endian_16(R9)
    a.move(R8, 40)
    if not sent:
        fragments.look_v6(a, other)
    a.jump("transport")
    a.label("ipv4")
    frame.load_header(a, frame.IP, 20, 0, other)
    a.load("u16", R1, R10, frame.IP + 6)
    a.big_endian_16(R1)
    if sent:
        a.alu(R1, "&", 0x1FFF)
        a.jump_if(R1, "!=", 0, other)  # of somebody who cuts datagrams himself: it has no ports
    else:
        fragments.look_v4(a, other)
    a.load("u8", R7, R10, frame.IP + 9)
    a.load("u8", R8, R10, frame.IP)
    a.alu(R8, "&", 15)
    a.alu(R8, "<<", 2)
    a.load("u16", R9, R10, frame.IP + 2)
    a.big_endian_16(R9)
    a.alu(R9, "-", reg(R8))
    a.label("transport")
    a.jump_if(R7, "==", _UDP, "udp")
    a.jump_if(R7, "!=", _TCP, other)
    frame.load_header(a, frame.TRANSPORT, 14, None, other)
    # Payload: what is left behind the TCP header. Acknowledgements and SYNs without any pass at once.
    a.load("u8", R1, R10, frame.TRANSPORT + _TCP_OFFSET)
    a.alu(R1, ">>", 4)
    a.alu(R1, "<<", 2)
    a.jump_if(R9, "!=", reg(R1), "ports")
    a.load("u8", R1, R10, frame.TRANSPORT + _TCP_FLAGS)
    a.alu(R1, "&", 0x05)  # FIN, RST: they keep their place behind the data
    a.jump_if(R1, "!=", 0, "ports")
    a.store_imm("u64", R10, frame.CONTROL, frame.AT_ONCE)
    a.jump("ports")
    a.label("udp")
    frame.load_header(a, frame.TRANSPORT, 8, None, other)
    for at in (frame.SOURCE_PORT, frame.DESTINATION_PORT):
        a.load("u16", R1, R10, frame.TRANSPORT + at)
        a.big_endian_16(R1)
        for port in EXEMPT_UDP:
            a.jump_if(R1, "==", port, other)
    a.label("ports")
    for at in (frame.SOURCE_PORT, frame.DESTINATION_PORT):
        a.load("u16", R1, R10, frame.TRANSPORT + at)
        a.big_endian_16(R1)
        for port in EXEMPT_BOTH:
            a.jump_if(R1, "==", port, other)
    a.load("u16", R1, R10, frame.TRANSPORT + (frame.SOURCE_PORT if sent else frame.DESTINATION_PORT))
    a.big_endian_16(R1)
    a.alu(R7, "<<", 16)
    a.alu(R7, "|", reg(R1))
    a.store("u32", R10, frame.KEY, R7)
    frame.look_up(a, tables.ports, frame.KEY)
    a.jump_if(R0, "!=", 0, "owned")
    frame.look_up(a, tables.early, frame.KEY)
    if sent:
        a.jump_if(R0, "!=", 0, "owned")
        _claim(a, tables, other)
        a.jump("found")
    else:
        a.jump_if(R0, "==", 0, other)
    a.label("owned")
    a.load("u32", R9, R0, 0)
    if not sent:
        a.jump("found")
        fragments.follow(a, tables, other)
    a.label("found")
    a.jump_if(R9, "==", layout.NOBODY, other)
    find_rule(a, tables, other)


def _claim(a: Assembler, tables: frame.Tables, other: str) -> None:
    """A port nobody knows yet: it is of the class R9 if its socket was made by a process of a limited name."""
    a.move(R1, reg(R6))
    a.call(frame.CALL_COOKIE)
    a.store("u64", R10, frame.IP, R0)
    frame.look_up(a, tables.born, frame.IP)
    a.jump_if(R0, "==", 0, other)
    a.load("u32", R9, R0, 0)
    a.store("u32", R10, frame.CLASS, R9)
    frame.keep(a, tables.early, frame.KEY, frame.CLASS)


def find_rule(a: Assembler, tables: frame.Tables, other: str) -> None:
    """R7 = the active rule of class R9."""
    a.jump_if(R9, ">=", layout.MAX_CLASSES, other)
    a.store("u32", R10, frame.KEY, R9)
    frame.look_up(a, tables.rules, frame.KEY)
    a.jump_if(R0, "==", 0, other)
    a.move(R7, reg(R0))
    a.load("u64", R1, R7, layout.ACTIVE_AT)
    a.jump_if(R1, "==", 0, other)
    a.load("u64", R1, R7, layout.RATE_AT)
    a.jump_if(R1, "==", 0, other)


def find_state(a: Assembler, tables: frame.Tables, other: str) -> None:
    """R8 = the state of the class whose number is at ``frame.KEY``."""
    frame.look_up(a, tables.states, frame.KEY)
    a.jump_if(R0, "==", 0, other)
    a.move(R8, reg(R0))
