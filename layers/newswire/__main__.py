"""Run the command line with `python -m newswire`."""

from newswire.cli.main import main

raise SystemExit(main())
