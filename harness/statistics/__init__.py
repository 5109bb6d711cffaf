"""How sure a paired difference is: pure functions of numbers."""
