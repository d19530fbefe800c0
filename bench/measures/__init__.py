"""Hold the measurements, one in each module: `measure(quick)` returns a figure and its baseline."""
