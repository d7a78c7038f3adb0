import catalogue
import prices


def handler(event, context):
    return {"catalogue": catalogue.TITLE, "price": prices.PRICE}
