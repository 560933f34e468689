"""Reading and writing ROS bags without a ROS installation."""
