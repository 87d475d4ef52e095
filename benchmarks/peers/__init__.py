"""Scripts that make copies of one photo with other tools, as a user of each would write them."""
