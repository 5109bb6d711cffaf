"""Metrics: what is measured of an interpolated frame. Each is registered by the same hook as third parties' are."""
