"""Visual place recognition for ROS 2 with GhostCNN and NetVLAD."""

__version__ = '0.1.0'
