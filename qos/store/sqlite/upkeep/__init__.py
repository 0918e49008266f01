"""The minute's housekeeping: folding into rollups, retention by age and by size."""
