"""Looking before running: what a spec will do to a picture, what a plan will make, and what a run made."""
