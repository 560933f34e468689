"""Studies as tables of runs, and the pages written from them."""
