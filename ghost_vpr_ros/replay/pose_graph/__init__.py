"""Correcting odometry with loop closures."""
