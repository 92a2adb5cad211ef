"""APScheduler with its jobs, for local.ts: JOBS SECONDS. Prints what it measured as JSON."""

import json
import math
import os
import resource
import sys
import time

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

jobs, seconds = int(sys.argv[1]), int(sys.argv[2])
latenesses = []
window = [math.inf, math.inf]


def fired():
    now = time.time()
    due = math.floor(now)
    if window[0] <= due < window[1]:
        latenesses.append(round((now - due) * 1000))


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


# Left alone it drops what is a second late, and at most one run of a job goes on at once.
scheduler = BackgroundScheduler(
    executors={"default": ThreadPoolExecutor(10)},
    job_defaults={"misfire_grace_time": None, "coalesce": False, "max_instances": 10},
)
for index in range(jobs):
    scheduler.add_job(fired, "cron", second="*", id=f"job {index}")
scheduler.start()
window[0] = math.ceil(time.time() + 12)
window[1] = window[0] + seconds
time.sleep(window[0] - 0.5 - time.time())
before = cpu_seconds()
time.sleep(window[1] + 0.5 - time.time())
used = cpu_seconds() - before
latenesses.sort()


def at(share):
    return latenesses[int((len(latenesses) - 1) * share)] if latenesses else 0


print(
    json.dumps(
        {
            "fired": len(latenesses) / (jobs * seconds),
            "p50Ms": at(0.5),
            "p99Ms": at(0.99),
            "cpu": used / (seconds + 1),
            "rssMb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
        }
    ),
    flush=True,
)

os._exit(0)
