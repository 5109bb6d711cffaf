"""What is installed, and how it is found: specs, hooks, discovery, options."""
