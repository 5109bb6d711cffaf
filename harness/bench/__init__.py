"""How fast it is, beside the same done otherwise, in turn."""

PARTS = {
    "networks": "Networks, beside the code of their authors",
    "loading": "Loading of training triplets, CPU time of one thread",
    "loop": "The training loop",
    "evaluation": "Evaluation end to end",
    "masks": "Masks and plug-ins",
    "attention": "Attention inside regions, beside that of all cells to all cells",
    "start": "Without a network",
}
"""Titles of the sections, by what `--part` calls them, in their order."""
