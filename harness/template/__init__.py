"""What `harness new` writes: a distribution for each kind of adapter, as files to be filled in."""
