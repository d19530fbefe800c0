"""One measurement a module: `measure(quick)` gives its figure and its baseline's."""
