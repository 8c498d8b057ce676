# SPDX-License-Identifier: Apache-2.0
"""Many clients at once: every request gets its own answer. The full figures: benchmarks/label_load.py."""

import label_load
from serving import free_port


def test_eight_clients_get_each_its_own_answer_and_the_server_lives(server):
    words = ["the dark lesion", "the bright lesion"]
    tasks = label_load.prepare(server.address, ["oblique", "healthy"], words, 40)
    assert {task.status for task in tasks} == {200, 400, 404}
    measured = label_load.measure(server.address, tasks, 8)
    assert measured["wrong"] == 0
    assert measured["different_masks"] == 3  # dark, bright, and nothing
    assert measured["requests"] == 40
    assert server.get("/info/").status_code == 200


def test_a_server_that_does_not_answer_is_wrong():
    address = f"http://127.0.0.1:{free_port()}"
    measured = label_load.measure(address, [label_load.Task("oblique", "{}", 200)] * 2, 1)
    assert measured["wrong"] == 2
