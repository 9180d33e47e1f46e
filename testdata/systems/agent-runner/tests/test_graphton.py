from graphton import plan


def test_steps_are_numbered():
    assert plan(["fetch", "answer"]) == [(1, "fetch"), (2, "answer")]
