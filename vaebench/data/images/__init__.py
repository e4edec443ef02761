"""Data sets of images, and the files they are read from."""
