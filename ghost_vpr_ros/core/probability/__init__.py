"""From similarities and inliers to probabilities."""
