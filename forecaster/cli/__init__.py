"""``autoqos forecast`` and ``autoqos backtest``: what a person types. Nothing heavy is imported until it runs."""
