"""Controls: arms that say what a pair is worth. `null` must change nothing; `widen` has capacity and nothing else."""
