"""The makers: the plan of a pair, and its running."""
