"""The network: backbone, pooling, whitening, and the file that holds them."""
