"""Figures published in the papers, for comparison."""
