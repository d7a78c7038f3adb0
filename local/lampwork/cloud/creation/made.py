Made = dict[str, str]
"""What is kept of a resource that was created, so that it can be removed: names and ARNs."""
