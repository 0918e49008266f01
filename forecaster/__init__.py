"""Predicts bandwidth, latency and loss, beside their baselines and with a band that says how sure it is.

``data/`` (regular grids from a store or a file) → ``models/`` (baselines, ets, ridge, networks in numpy) →
``evaluation/`` (walk-forward folds, scores, bands, which model serves) → ``serving/`` (rounds, schedule, points);
``training/`` is the only place that starts TensorFlow, in a process of its own; ``cli/`` is what a person types.
"""
