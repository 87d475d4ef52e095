"""Broken pictures, specs, names and tables by the thousand."""
