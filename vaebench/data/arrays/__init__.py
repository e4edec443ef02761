"""Named arrays of a user's own, and the files they are read or mapped from."""
