"""The words of the command line: groups and choices, options and their types, and what is said of wrong ones."""
