from lampwork.front.authorizers.refusals import MAX_KEPT, Kept


def test_what_callers_choose_does_not_fill_the_memory():
    kept = Kept(seconds=60)

    for key in range(MAX_KEPT + 1):
        kept.put(key, now=0, answer="yes")

    assert kept.size <= MAX_KEPT
    assert kept.get(MAX_KEPT, now=59) == "yes"
    assert kept.get(MAX_KEPT, now=60) is None
