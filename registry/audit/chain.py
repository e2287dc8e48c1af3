#!/usr/bin/env python3
"""The hash chain of the ledger, and its offline verifier: standard library only.

Run as ``python3 chain.py export.jsonl [--head SEQ:HASH]``. Copy this one file anywhere.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

GENESIS = "0" * 64
FIELDS = ("seq", "at", "actor", "action", "subject", "body", "previous_hash")


class ChainError(Exception):
    """The chain does not hold; the message names the entry."""


def canonical(value: Any) -> str:
    """Return the one JSON text of ``value``: sorted keys, no spaces, no NaN."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def entry_hash(entry: dict[str, Any]) -> str:
    """Return the sha256 of the canonical JSON of an entry without its own hash."""
    return hashlib.sha256(canonical({k: entry[k] for k in FIELDS}).encode()).hexdigest()


def verify(entries: Iterable[dict[str, Any]]) -> tuple[int, str]:
    """Walk the chain from its beginning and return the last number and hash.

    Raises:
        ChainError: an entry was changed, removed, added or moved.
    """
    seq, previous = 0, GENESIS
    for entry in entries:
        if set(entry) != {*FIELDS, "hash"}:
            raise ChainError(f"entry after {seq} has other fields than a ledger entry")
        if entry["seq"] != seq + 1:
            raise ChainError(f"entry {seq + 1} is missing or out of order: found {entry['seq']}")
        if entry["previous_hash"] != previous:
            raise ChainError(f"entry {entry['seq']} does not follow entry {seq}")
        if entry["hash"] != entry_hash(entry):
            raise ChainError(f"entry {entry['seq']} was changed")
        seq, previous = entry["seq"], entry["hash"]
    return seq, previous


def read_export(path: Path) -> Iterator[dict[str, Any]]:
    """Read an export: one JSON object a line.

    Raises:
        ChainError: a line is not a JSON object.
    """
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                entry = json.loads(line)
            except ValueError:
                raise ChainError(f"line {number} is not JSON") from None
            if not isinstance(entry, dict):
                raise ChainError(f"line {number} is not an object")
            yield entry


def main(arguments: list[str]) -> int:
    """Verify an export; exit 0 when it holds, 1 when it does not, 2 on wrong usage."""
    parser = argparse.ArgumentParser(description="Verify an export of the ledger, offline.")
    parser.add_argument("export", type=Path)
    parser.add_argument(
        "--head", help="SEQ:HASH noted at an earlier time; finds a shortened or rewritten tail"
    )
    options = parser.parse_args(arguments)
    try:
        entries = list(read_export(options.export))
        seq, last = verify(entries)
        _require_head(entries, options.head)
    except (ChainError, OSError) as exc:
        print(f"NOT VERIFIED: {exc}", file=sys.stderr)
        return 1
    print(f"verified {seq} entries, head {seq}:{last}")
    return 0


def _require_head(entries: list[dict[str, Any]], head: str | None) -> None:
    if head is None:
        return
    seq, _, expected = head.partition(":")
    found = {str(e["seq"]): e["hash"] for e in entries}.get(seq)
    if seq != "0" and found != expected:
        raise ChainError(f"entry {seq} is not the one that was noted as the head")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
