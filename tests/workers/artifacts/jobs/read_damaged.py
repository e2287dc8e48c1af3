"""A job that reads one set after another, each damaged in its own way."""

import random

from workers.artifacts.inspect_set import read_set
from workers.artifacts.upload import open_table
from workers.errors import PermanentError


def main(job, folder, report):
    original = (folder / "upload").read_bytes()
    for number in range(job["first"], job["last"]):
        report(number, job["last"])
        path = folder / "damaged"
        path.write_bytes(damaged(original, number))
        try:
            read_set(open_table(path), "embedding")
        except PermanentError:
            continue
    return {}


def damaged(content, number):
    """Return ``content`` with a few bytes changed, removed or inserted."""
    chance = random.Random(number)
    data = bytearray(content)
    for _ in range(chance.randint(1, 5)):
        place = chance.randrange(len(data))
        kind = chance.randrange(3)
        if kind == 0:
            data[place] = chance.randrange(256)
        elif kind == 1:
            del data[place : place + chance.randint(1, 20)]
        else:
            data[place:place] = chance.randbytes(chance.randint(1, 9))
    return bytes(data)
