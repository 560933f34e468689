"""A map that several robots share, in a vector database."""
