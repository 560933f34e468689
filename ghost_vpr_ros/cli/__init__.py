"""The `ghost-vpr` commands: options, progress bars, exit codes."""
