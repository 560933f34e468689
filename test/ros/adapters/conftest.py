"""The adapters' tests do not run without rclpy."""

import importlib.util

collect_ignore_glob = ['test_*.py'] if importlib.util.find_spec('rclpy') is None else []
