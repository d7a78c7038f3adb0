TITLE = "Spring"
