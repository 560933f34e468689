"""Adapters to SLAM systems, each a separate executable."""
