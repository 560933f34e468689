"""Adapters: place hypotheses in the messages of SLAM systems, each an executable of its own."""
