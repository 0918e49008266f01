"""May this process divert packets and read other users' sockets? And the words to type when it may not."""

import sys

if sys.platform == "win32":
    from qos.system.elevation_windows import elevated, how_to
else:
    from qos.system.elevation_linux import elevated, how_to

__all__ = ["elevated", "how_to"]
