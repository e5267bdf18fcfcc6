"""One file per command: `arguments(parser)` and `run(args) -> exit code`."""
