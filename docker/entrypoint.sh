#!/bin/bash
# Starts the launch file with the given arguments (map:=... image_topic:=...).
set -e
source "/opt/ros/$ROS_DISTRO/setup.bash"
source /workspace/install/setup.bash
exec ros2 launch ghost_vpr_ros vpr.launch.py "$@"
