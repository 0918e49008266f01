"""Shows and steers: the ``autoqos`` command, the supervisor behind ``autoqos up``, tables, pictures, the live window.

``commands/`` is what a person types, ``supervisor/`` starts and watches the parts, ``views/`` turn stored data into
words and tables, ``steering/`` carries out what a person asks, ``tui/`` is ``autoqos top``, ``stack/`` the containers
beside the agent. May import every other package; none imports it.
"""
