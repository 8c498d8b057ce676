# SPDX-License-Identifier: Apache-2.0
"""Many clients at once: every request gets its own answer. The full figures: benchmarks/label_load.py."""

import label_load


def test_eight_clients_get_each_its_own_answer_and_the_server_lives(server):
    words = ["the dark lesion", "the bright lesion"]
    tasks = label_load.prepare(server.address, ["oblique", "healthy"], words, 40)
    contents = {task.content for task in tasks if task.content}
    assert len(contents) == 3  # dark, bright, and nothing
    assert {task.status for task in tasks} == {200, 400, 404}
    measured = label_load.measure(server.address, tasks, 8)
    assert measured["wrong"] == 0
    assert measured["requests"] == 40
    assert server.get("/info/").status_code == 200
