"""Data sets of sentences, and the files they are read from."""
