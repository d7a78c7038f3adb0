def charge(event, context):
    return {"receipt": f"{event['id']} paid {event['amount']}"}
