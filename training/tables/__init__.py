"""Studies as tables of training runs, and their reports."""
