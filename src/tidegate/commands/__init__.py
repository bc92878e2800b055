"""One file per command: read, decide, report, publish."""
