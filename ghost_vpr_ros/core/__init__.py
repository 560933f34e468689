"""Numbers in, numbers out: images, descriptors, maps, hypotheses. Knows no ROS, bags or CLI."""
