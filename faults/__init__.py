"""A fault campaign that anybody can run: `make faults`. Never installed."""
