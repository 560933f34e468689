"""Training for place recognition on tuples of query, positive and negatives."""
