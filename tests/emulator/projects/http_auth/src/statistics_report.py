def handler(event, context):
    machine = event["requestContext"]["authorizer"]["lambda"]
    # A return value without a status is the body of a 200.
    return {"machine": machine["name"], "level": machine["level"], "asked": machine["asked"]}


def health(event, context):
    return {"healthy": True}
