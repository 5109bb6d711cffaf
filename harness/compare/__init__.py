"""The matched pair: what its arms share, what sets them apart, and how it is run."""
