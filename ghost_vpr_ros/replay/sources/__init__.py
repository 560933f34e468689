"""Images from folders and manifests, with stamps and positions."""
