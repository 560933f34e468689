"""Training for places with tuples of query, positive and negatives."""
