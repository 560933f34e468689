"""The ROS 2 side: the only place with rclpy and messages."""
