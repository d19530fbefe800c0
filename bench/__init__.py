"""Measurements against named baselines: `python -m bench`, or `python -m bench load tick --quick`."""
