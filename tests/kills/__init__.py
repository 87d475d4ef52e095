"""Runs that are killed or stopped at random moments, and gone on with: every writer, every way."""
