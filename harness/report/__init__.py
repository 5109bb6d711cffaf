"""What people look at: tables, curves, galleries."""
