"""The documents that the parts share through the store's small JSON states: the API between the processes.

One file per document, one frozen dataclass in it, one ``parse`` and one ``dump``; every reader and every writer uses
them. ``parse`` never raises: what is not such a document is absent (None), and for every reader alike. Each document
says its version (``"v": 1``; a missing one means 1); of a newer one everything that is still understood is read.
Pure: no store, no clock, no file. What is measured over time belongs to ``qos.contract.points`` instead.
"""
