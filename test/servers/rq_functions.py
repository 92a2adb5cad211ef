"""Functions whose jobs write down what they received: one JSON object a line, in the file $BEAT_RECEIVED."""

import json
import os
import time

from rq import get_current_job


def echo(*args, **kwargs):
    job = get_current_job()
    line = {
        "id": job.id,
        "args": list(args),
        "kwargs": kwargs,
        "meta": job.meta,
        "description": job.description,
        "timeout": job.timeout,
        "result_ttl": job.result_ttl,
        "failure_ttl": job.failure_ttl,
        "ttl": job.ttl,
        "origin": job.origin,
        "at": time.time(),
    }
    with open(os.environ["BEAT_RECEIVED"], "a") as file:
        file.write(json.dumps(line) + "\n")
    return len(args)
