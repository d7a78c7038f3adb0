from lampwork.app.project.for_others import ForOthers


def test_who_listens_for_this_machine_alone_has_no_address_for_others():
    assert ForOthers("127.0.0.1", 8000).origin is None


def test_an_address_is_drawn_for_the_camera_of_a_phone():
    drawn = ForOthers("192.0.2.7", 8000).code().splitlines()

    assert len({len(line) for line in drawn}) == 1
    assert len(drawn) > 10
