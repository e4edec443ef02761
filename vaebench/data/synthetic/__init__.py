"""Data sets that are made up here."""
