"""The results as a static web page: it is read from records, and opens from a file, without a network."""
