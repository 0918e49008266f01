"""Shows and steers: the ``autoqos`` command, the supervisor behind ``autoqos up``, tables, pictures, the live window.

``commands/`` is what a person types, ``supervisor/`` starts and watches the parts, ``views/`` turn stored data into
words and tables, ``steering/`` carries out what a person asks, ``tui/`` is ``autoqos top``, ``stack/`` the containers
beside the agent. May import every other package; none imports it.
"""

import os
import sys
from contextlib import suppress

if sys.platform != "win32" and os.geteuid() == 0 and (_owner := os.stat(os.path.dirname(__file__))).st_uid != 0:
    # Started with sudo from somebody's own environment: compiled modules of root's in there would keep its owner from
    # replacing it (`uv tool upgrade` ends half-way). The folder that this import just made is given to the owner.
    sys.dont_write_bytecode = True
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    with suppress(OSError):
        os.chown(
            os.path.join(os.path.dirname(__file__), "__pycache__"), _owner.st_uid, _owner.st_gid, follow_symlinks=False
        )
