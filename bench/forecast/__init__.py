"""How good the forecasts are and what a day of them costs; ``python -m bench.forecast`` measures it."""
