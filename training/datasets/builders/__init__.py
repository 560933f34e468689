"""Write data sets from existing ones, whose files are never moved, changed or deleted."""
