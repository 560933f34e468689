"""What may be wrong with a data set, each finding a sentence with the next step."""
