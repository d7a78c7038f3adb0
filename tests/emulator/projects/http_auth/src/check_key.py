asked = 0


def handler(event, context):
    global asked
    asked += 1
    key = event["headers"]["x-key"]
    if key == "broken":
        raise RuntimeError("the list of keys is out of reach")
    context = {"name": key, "level": 3, "asked": asked}
    return {"isAuthorized": key.startswith("machine-"), "context": context}
