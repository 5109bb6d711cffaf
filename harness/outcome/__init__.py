"""The readers: what records say of a pair. Imports no torch."""
