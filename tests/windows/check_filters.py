"""Every kind of filter text that we write, through the compiler in the real WinDivert.dll. Prints JSON.

Exit status 1 when one is refused.

Runs on Windows and under Wine: compiling needs no driver.
"""

import json
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from qos.packets.divert import check_filter, port_filter, sniff_filter, wide_filter


def texts(seed: int) -> list[str]:
    """Filters for 1 to 240 ports: neighbouring, scattered and in clusters, of both protocols."""
    rng = random.Random(seed)
    made = [sniff_filter(), wide_filter("tcp"), wide_filter("udp")]
    for protocol in ("tcp", "udp"):
        for count in [*range(1, 66), *range(70, 241, 10)]:
            first = rng.randrange(1024, 60_000)
            for ports in (
                range(first, first + count),
                rng.sample(range(1024, 65_536), count),
                [rng.choice((5_000, 30_000, 50_000)) + rng.randrange(3 * count) for _ in range(count)],
            ):
                try:
                    made.append(port_filter(protocol, set(ports)).text)
                except ValueError:
                    continue  # more than a filter takes: a wide one is used then
    return made


def main() -> int:
    """Compile them all."""
    refused, longest = [], ""
    all_texts = texts(20261121)
    for text in all_texts:
        longest = max(longest, text, key=len)
        try:
            check_filter(text)
        except ValueError as error:
            refused.append(str(error))
    print(json.dumps({"filters": len(all_texts), "refused": refused[:5], "longest_characters": len(longest)}))
    return int(bool(refused))


if __name__ == "__main__":
    sys.exit(main())
