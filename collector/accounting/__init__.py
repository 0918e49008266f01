"""One tick's arithmetic: what processes moved and what interfaces counted becomes points, totals and the live document.

Pure: values in, values out, ``now_ns`` an argument. No clock, socket, file, thread or log line may enter.
"""
