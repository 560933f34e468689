"""From candidates to hypotheses: filter, decision, pose."""
