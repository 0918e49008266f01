"""Predicts bandwidth, latency and loss, beside their baselines and with a band that says how sure it is.

``frames`` (regular grid) → ``windows`` and ``folds`` → models (``baselines``, ``ets``, ``ridge``, ``lstm``,
``hybrid``) → ``conformal`` bands → ``backtest`` (walk-forward) and ``selection`` → ``round`` (read, train, score,
write) → ``schedule``. All of it is values in, values out, but for ``round``, ``schedule``, ``trainer`` and ``cli``.
Only ``keras_train`` imports TensorFlow, in a process of its own; what serves is numpy.
"""
