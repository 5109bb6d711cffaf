"""Suites: the arms of a table, as data; what it would take to run them; and the running of them."""
