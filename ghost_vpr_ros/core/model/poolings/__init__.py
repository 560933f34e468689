"""Every pooling that a network can end in: from a feature map to one descriptor of unit norm.

`registry.build_pooling` makes them by name; docs/poolings.md lists them with their equations.
"""
