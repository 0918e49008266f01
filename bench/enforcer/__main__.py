"""What the enforcer reaches, with real packets in namespaces, as JSON. Root, iperf3; ``--traffictoll TT`` beside it.

    sudo uv run python -m bench.enforcer [SECTION ...] [--seconds 10] [--datapath kernel --datapath divert]
                                         [--traffictoll /path/to/venv/bin/tt]

Sections: core goodput fast short parallel processes running delay beside idle machine packet shares dropped failures
giveup stress interfaces. Each figure is from one run; the machine's load shows in ``oldest_ms`` (how long packets
waited for us in the system).
"""

import argparse
import json
import sys
from collections.abc import Callable
from typing import Any

from bench.enforcer.cost import idle, machine, packet
from bench.enforcer.dropped import dropped
from bench.enforcer.faults import failures, giveup, interfaces, stress
from bench.enforcer.rates import fast, goodput, parallel, processes, running, short
from bench.enforcer.shaper import core
from bench.enforcer.sharing import shares
from bench.enforcer.traffictoll import traffictoll
from bench.enforcer.waiting import beside, delay
from tests.enforcer.rig import Rig, required

SECTIONS: dict[str, Callable[[float], dict[str, Any]]] = {
    f.__name__: f
    for f in (
        core,
        goodput,
        short,
        parallel,
        processes,
        running,
        delay,
        beside,
        idle,
        shares,
        dropped,
        failures,
        giveup,
        stress,
        interfaces,
        fast,
        machine,
        packet,
    )
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", choices=[*SECTIONS, []], help="all of them by default")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--datapath", action="append", choices=["auto", "kernel", "divert"], help="one after the other")
    parser.add_argument("--traffictoll", metavar="TT", help="TrafficToll's program, for comparison")
    options = parser.parse_args()
    required()
    result: dict[str, Any] = {}
    for name in options.sections or SECTIONS:
        for datapath in options.datapath or ["auto"]:
            Rig.default_datapath = datapath
            result.setdefault(name, {})[datapath] = _run(SECTIONS[name], options.seconds)
    if options.traffictoll:
        result["traffictoll"] = traffictoll(options.seconds, options.traffictoll)
    print(json.dumps(result, indent=2))
    return 0


def _run(section: Callable[[float], dict[str, Any]], seconds: float) -> dict[str, Any]:
    try:
        return section(seconds)
    except (AssertionError, RuntimeError, OSError) as error:
        return {"error": f"{type(error).__name__}: {error}"[:2000]}


if __name__ == "__main__":
    sys.exit(main())
