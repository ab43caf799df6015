"""What the Python programs share: a job from stdin, a line of JSON per case on stdout.

`send(case)` answers the status the client saw, or raises NotExpressible.
"""

import base64
import json
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor


class NotExpressible(Exception):
    pass


_printing = threading.Lock()


def _write(**line):
    with _printing:
        print(json.dumps(line), flush=True)


def run_job(connect):
    """connect(job) answers send(case)."""
    job = json.load(sys.stdin)
    send = connect(job)
    for case in job["cases"]:
        try:
            _write(name=case["name"], status=send(case))
        except NotExpressible as reason:
            _write(name=case["name"], notExpressible=str(reason))
        except Exception:
            _write(name=case["name"], error=traceback.format_exc())
    if "burst" not in job:
        return
    with ThreadPoolExecutor(job["burst"]["senders"]) as senders:
        started = time.monotonic()
        statuses = list(senders.map(send, job["burst"]["cases"]))
        elapsed = time.monotonic() - started
    _write(name="burst", statuses=statuses, elapsedMs=elapsed * 1000)


def body_of(case):
    encoded = case.get("bodyBase64")
    return None if encoded is None else base64.b64decode(encoded)


def query_object(pairs):
    """Names with their value, or with a list of values."""
    query = {}
    for name, value in pairs:
        query.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in query.items()}
