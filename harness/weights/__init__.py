"""Files of weights that are not trained here: where they are, what they are, and reading them safely."""
