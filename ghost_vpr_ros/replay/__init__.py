"""Offline work on folders, manifests and bags, without a ROS installation."""
