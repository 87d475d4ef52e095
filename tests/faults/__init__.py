"""Faults that a run must survive; ``catalogue.py`` lists them, each with the test that makes it."""
