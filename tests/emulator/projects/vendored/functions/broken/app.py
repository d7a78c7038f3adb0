import prices


def handler(event, context):
    return {"price": prices.PRICE}
