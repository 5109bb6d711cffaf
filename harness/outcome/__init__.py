"""The readers: what records say of pairs. Imports no torch."""
