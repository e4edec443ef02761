"""The commands, each thin."""
