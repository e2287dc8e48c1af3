"""A job that does what it is told, to see what the parent makes of it."""

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

from workers.errors import PermanentError


def main(job, folder, report):
    return globals()[job["do"]](job, folder, report)


def echo(job, folder, report):
    return {"job": job, "folder": str(folder)}


def count(job, folder, report):
    for done in range(1, 4):
        print("a library says something")
        report(done, 3)
        time.sleep(0.05)
    return {}


def refuse(job, folder, report):
    raise PermanentError("no_good", "row 3 is wrong")


def fail(job, folder, report):
    raise RuntimeError("a bug of ours")


def die(job, folder, report):
    print("last words", file=sys.stderr)
    sys.stderr.flush()
    os.kill(os.getpid(), getattr(signal, job["signal"]))


def spin(job, folder, report):
    report(0, 1)
    while True:
        pass


def sleep(job, folder, report):
    (folder / "pid").write_text(str(os.getpid()))
    report(0, 1)
    time.sleep(60)


def leave_a_grandchild(job, folder, report):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    (folder / "pid").write_text(str(child.pid))
    return {}


def take_memory(job, folder, report):
    return {"length": len(bytearray(job["bytes"]))}


def write_much(job, folder, report):
    with (folder / "much").open("wb") as file:
        file.write(bytes(job["bytes"]))
    return {}


def shout(job, folder, report):
    for _ in range(2000):
        sys.stdout.write("x" * 10_000)
        sys.stderr.write("y" * 10_000)
    return {"shouted": True}


def leave_nonsense(job, folder, report):
    (folder / "result.json").write_bytes(job["text"].encode())
    sys.stdout.flush()
    os._exit(0)


def leave_and_die(job, folder, report):
    (folder / "result.json").write_text('{"code": "no_good", "detail": ""}')
    os.kill(os.getpid(), signal.SIGSEGV)


def tell_limits(job, folder, report):
    names = ("AS", "CPU", "FSIZE", "CORE", "NOFILE")
    return {name: resource.getrlimit(getattr(resource, f"RLIMIT_{name}"))[0] for name in names}


def tell_surroundings(job, folder, report):
    return {
        "environment": dict(os.environ),
        "own_session": os.getsid(0) == os.getpid(),
        "files": len(list(Path("/proc/self/fd").iterdir())),
        "stdin": os.read(0, 10).decode(),
        "path": sys.path,
    }
