"""Numbers in, numbers out: images, descriptors, maps, hypotheses. Without ROS, bags or CLI."""
