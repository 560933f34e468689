"""Finding the descriptors most similar to a query."""
