"""Fire times a second of Celery's crontab and of APScheduler's CronTrigger, for next.ts: JSON in, JSON out."""

import json
import sys
import time
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger
from celery import Celery
from celery.schedules import crontab

given = json.loads(sys.argv[1])
start = datetime.fromtimestamp(given["from"], timezone.utc)
until = datetime.fromtimestamp(given["until"], timezone.utc)


def celery_next(spec, zone):
    minute, hour, day_of_month, month_of_year, day_of_week = spec.split()
    app = Celery(set_as_current=False)
    app.conf.timezone = zone
    schedule = crontab(minute, hour, day_of_week, day_of_month, month_of_year, app=app, nowfun=lambda: start)

    def following(last):
        last, delta, _ = schedule.remaining_delta(last)
        return last + delta

    return following


def apscheduler_next(spec, zone):
    minute, hour, day, month, day_of_week = spec.split()
    trigger = CronTrigger(
        minute=minute,
        hour=hour,
        day=day,
        month=month,
        # Its Monday is 0.
        day_of_week="mon-fri" if day_of_week == "1-5" else day_of_week,
        timezone=ZoneInfo(zone),
    )
    return lambda last: trigger.get_next_fire_time(last, last)


def measure(following, first):
    at, count, begin, elapsed = first, 0, time.perf_counter(), 0
    while elapsed * 1000 < given["roundMs"]:
        for _ in range(10):
            at = following(at if at < until else first)
        count += 10
        elapsed = time.perf_counter() - begin
    return count / elapsed


def reached(following, first):
    at = first
    for _ in range(given["compared"]):
        at = following(at)
    return round(at.timestamp() * 1000)


table = {}
for name, make in {"Celery 5.7": celery_next, "APScheduler 3.11": apscheduler_next}.items():
    table[name] = {}
    for zone in given["zones"]:
        first = start.astimezone(ZoneInfo(zone))
        for spec in given["specs"]:
            following = make(spec, zone)
            table[name][f"{zone} {spec}"] = {"rate": measure(following, first), "reached": reached(following, first)}
print(json.dumps(table))
