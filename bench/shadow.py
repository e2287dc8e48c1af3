"""What a shadow costs the users of a gallery: the time of their searches with and without one.

    python -m bench.shadow --url URL --gallery NAME --upgrade N --inputs FILE.npz

Against a running registry, with a token for reading and writing in ``GRACEFUL_TOKEN``. Rounds with
a shadow of all queries and rounds without one take turns, so that other load meets both; a round is
``--queries`` searches by an input of the file (a column ``input``), one after the other, with
``--pause`` seconds between them. The shadow is stopped after each round.
"""

import argparse
import os
import time
from typing import Any

import httpx
import numpy as np

from bench.installations import percentile
from bench.machine import print_table

SETTLES_S = 2.5
"""After which the search process has seen that a shadow began or ended."""


def main() -> None:
    """Print one row for searches without a shadow and one for searches with it."""
    parser = argparse.ArgumentParser(prog="python -m bench.shadow", description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--gallery", required=True)
    parser.add_argument("--upgrade", type=int, required=True)
    parser.add_argument("--inputs", required=True)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--pause", type=float, default=0.02)
    options = parser.parse_args()
    inputs = np.load(options.inputs, allow_pickle=False)["input"]
    rng = np.random.default_rng(0)
    times: dict[str, list[float]] = {"no shadow": [], "all queries shadowed": []}
    counts = {"queries": 0, "compared": 0, "dropped": 0, "failed": 0}
    secret = {"Authorization": f"Bearer {os.environ['GRACEFUL_TOKEN']}"}
    with httpx.Client(base_url=f"{options.url}/api/v1/", headers=secret, timeout=30) as client:
        for _ in range(options.rounds):
            for mode, found in times.items():
                if mode != "no shadow":
                    _post(client, f"upgrades/{options.upgrade}/shadows", share=1.0)
                time.sleep(SETTLES_S)
                for row in rng.integers(0, len(inputs), options.queries):
                    found.append(_search(client, options.gallery, inputs[row]))
                    time.sleep(options.pause)
                if mode != "no shadow":
                    _count(client, options.upgrade, counts)
    print_table(
        "Searches of one client beside a shadow",
        ["searches", "n", "p50 ms", "p95 ms"],
        [
            [mode, str(len(found)), *(f"{percentile(found, share):.1f}" for share in (0.5, 0.95))]
            for mode, found in times.items()
        ],
    )
    print(", ".join(f"{count} {name}" for name, count in counts.items()))


def _search(client: httpx.Client, gallery: str, sample: np.ndarray) -> float:
    started = time.perf_counter()
    _post(client, f"galleries/{gallery}/search", input=sample.tolist())
    return (time.perf_counter() - started) * 1000


def _count(client: httpx.Client, upgrade: int, counts: dict[str, int]) -> None:
    """Stop the shadow, and add what it has counted, its last seconds included."""
    stopped = _post(client, f"upgrades/{upgrade}/shadows/stop")
    time.sleep(2 * SETTLES_S)
    listed = client.get(f"upgrades/{upgrade}/shadows").raise_for_status().json()["results"]
    found = next(one for one in listed if one["id"] == stopped["id"])
    for name in counts:
        counts[name] += found[name]


def _post(client: httpx.Client, path: str, **body: Any) -> dict[str, Any]:
    return client.post(path, json=body).raise_for_status().json()


if __name__ == "__main__":
    main()
