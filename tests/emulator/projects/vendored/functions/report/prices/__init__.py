PRICE = "vendored"
