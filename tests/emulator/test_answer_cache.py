from lampwork.front.authorizers.answer_cache import MAX_ANSWERS, AnswerCache

ANSWER: dict[str, object] = {"isAuthorized": True}


def test_callers_cannot_fill_the_memory():
    cache = AnswerCache(seconds=60)

    for number in range(MAX_ANSWERS + 1):
        cache.put((str(number),), now=0, answer=ANSWER)

    assert cache.size <= MAX_ANSWERS
    assert cache.get((str(MAX_ANSWERS),), now=59) == ANSWER
    assert cache.get((str(MAX_ANSWERS),), now=60) is None
