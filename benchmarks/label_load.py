# SPDX-License-Identifier: Apache-2.0
"""Ask a running MONAI Label server from several clients at once: no wrong answer, throughput, 95th percentile."""

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import requests

# What is wrong with a request, and the status that says so. "good" ones are compared with an answer taken alone.
BAD: dict[str, tuple[str, str, int]] = {
    "no expression": ("{study}", '{"prompt": ""}', 400),
    "no JSON": ("{study}", "{", 400),
    "unknown study": ("no_such_study", '{"prompt": "the cyst"}', 404),
    "a path": ("{study}", '{"prompt": "the cyst", "image": "/etc/passwd"}', 400),
}


@dataclass(frozen=True)
class Task:
    """One request and what must come back.

    Args:
        study: name of the study.
        params: the form field.
        status: the HTTP status to expect.
        content: the bytes to expect; None where only the status counts.
    """

    study: str
    params: str
    status: int
    content: bytes | None = None


def ask(address: str, study: str, params: str) -> requests.Response:
    """Response to one request for a mask."""
    return requests.post(f"{address}/infer/lsms?image={study}&output=image", data={"params": params}, timeout=600)


def prepare(address: str, studies: Sequence[str], expressions: Sequence[str], number: int) -> list[Task]:
    """A mix of requests, every fifth one bad; right answers are taken now, one at a time."""
    good = []
    for study in studies:
        for expression in expressions:
            params = json.dumps({"prompt": expression, "result_extension": ".nii"})
            response = ask(address, study, params)
            response.raise_for_status()
            good.append(Task(study, params, 200, response.content))
    bad = [Task(study.format(study=studies[0]), params, status) for study, params, status in BAD.values()]
    return [bad[i // 5 % len(bad)] if i % 5 == 4 else good[i % len(good)] for i in range(number)]


def measure(address: str, tasks: Sequence[Task], num_clients: int) -> dict[str, Any]:
    """Send the requests from `num_clients` clients; wrong is no answer, another status, or the mask of another one."""

    def run(task: Task) -> tuple[float, bool]:
        start = time.perf_counter()
        try:
            response = ask(address, task.study, task.params)
            right = response.status_code == task.status and task.content in (None, response.content)
        except requests.RequestException:
            right = False
        return time.perf_counter() - start, right

    start = time.perf_counter()
    with ThreadPoolExecutor(num_clients) as pool:
        results = list(pool.map(run, tasks))
    duration = time.perf_counter() - start
    seconds = [taken for (taken, _), task in zip(results, tasks, strict=True) if task.status == 200]
    return {
        "clients": num_clients,
        "requests": len(tasks),
        "wrong": sum(not right for _, right in results),
        "different_masks": len({task.content for task in tasks if task.content is not None}),
        "requests_per_s": round(len(tasks) / duration, 2),
        "median_s": round(statistics.median(seconds), 3),
        "p95_s": round(statistics.quantiles(seconds, n=20)[-1], 3),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
    }


def main() -> None:
    """Print one JSON line for one client and one for several; exit with 1 if an answer was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", default="http://127.0.0.1:8000", help="of the server, without a path")
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--studies", type=int, default=2, help="how many studies to ask about")
    parser.add_argument("--expressions", nargs="+", default=["the cyst in the left lobe", "all hypodense lesions"])
    options = parser.parse_args()
    names = sorted(requests.get(f"{options.address}/lsms/api/studies", timeout=60).json())[: options.studies]
    tasks = prepare(options.address, names, options.expressions, options.requests)
    records = [measure(options.address, tasks[: max(20, len(tasks) // 5)], 1)]
    records.append(measure(options.address, tasks, options.clients))
    requests.get(f"{options.address}/info/", timeout=60).raise_for_status()  # it still answers
    for record in records:
        sys.stdout.write(json.dumps(record) + "\n")
    sys.exit(any(record["wrong"] for record in records))


if __name__ == "__main__":
    main()
