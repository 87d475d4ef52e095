"""How fast augx is, beside the barest loop and beside other tools; see README.md."""
