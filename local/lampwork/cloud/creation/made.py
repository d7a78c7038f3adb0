Made = dict[str, str]
"""The names and ARNs with which a created resource can be removed later."""
