"""A small rendered town: images, loops, exact poses, drifting odometry and noisy GPS by seed."""
