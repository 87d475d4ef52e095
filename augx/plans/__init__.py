"""Plans too large to be held: a plan's rows in a file of their own, and planning source by source."""
