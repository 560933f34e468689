"""Small programs beside the node: a publisher of images, a printer of answers."""
