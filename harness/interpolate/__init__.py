"""Frames that were never shot: videos with more frames or slower ones, and two networks beside each other."""
