"""The page and the HTTP API: a local server that shows the embedded store in a browser and lets a person steer.

``access/`` listens and decides who may speak, ``api/`` answers, ``live/`` sends the present once a second, ``static/``
is the page itself (ES modules, no build step), ``run`` ties them together. It listens on 127.0.0.1 only and has exactly
the rights of whoever started it. Nothing here measures or shapes.
"""
