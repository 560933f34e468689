"""Small programs to use with the node: a publisher of images, a printer of answers."""
