"""``python -m console``: the same as ``autoqos``; the supervisor starts its children so."""

from console.cli import main

main()
