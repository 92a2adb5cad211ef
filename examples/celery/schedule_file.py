"""Prints the schedules of a Celery app as a schedule file of Beat (JSON, which is YAML too).

    python schedule_file.py proj.celery:app > schedules/celery.yaml           # beat_schedule
    python schedule_file.py proj.celery:app django > schedules/celery.yaml    # django-celery-beat

It reads and changes nothing. What it can't say is named on stderr, and makes it end with 1.
"""

import json
import os
import sys

from celery.app.utils import find_app
from celery.beat import Scheduler
from celery.schedules import crontab, schedule, solar

FIELDS = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")


def trigger(when):
    if isinstance(when, crontab):
        fields = {name: getattr(when, f"_orig_{name}") for name in FIELDS}
        return {"crontab": {name: text(field) for name, field in fields.items() if field != "*"} or "* * * * *"}
    if isinstance(when, solar):
        return {"solar": {"event": when.event, "latitude": float(when.lat), "longitude": float(when.lon)}}
    if hasattr(when, "clocked_time"):
        return {"at": when.clocked_time.isoformat()}
    if type(when) is schedule:
        return {"every": seconds(when.run_every)}
    raise ValueError(f"its schedule is a {type(when).__name__}, which is code")


def text(field):
    return ",".join(map(str, sorted(field))) if isinstance(field, (list, tuple, set)) else str(field)


def seconds(delta):
    number = delta.total_seconds()
    return int(number) if number.is_integer() else number


def plain(value):
    """What JSON has no word for: dates, durations."""
    return value.isoformat() if hasattr(value, "isoformat") else seconds(value)


def definition(zone, when, task, args, kwargs, options, more=None):
    found = {**trigger(when), "task": task}
    own_zone = str(getattr(when, "tz", None) or zone)
    if own_zone != zone:
        found["timezone"] = own_zone
    options = {name: value for name, value in (options or {}).items() if value is not None and value != {}}
    parts = {"args": list(args or ()), "kwargs": dict(kwargs or {}), "options": options, **(more or {})}
    found.update({key: value for key, value in parts.items() if value or value is False})
    return json.loads(json.dumps(found, default=plain))


def of_settings(app):
    scheduler = Scheduler(app=app, lazy=True)
    scheduler.update_from_dict(app.conf.beat_schedule)
    for name, entry in scheduler.schedule.items():
        yield name, lambda entry=entry: (entry.schedule, entry.task, entry.args, entry.kwargs, entry.options)


def of_django():
    import django

    django.setup()
    from django_celery_beat.models import PeriodicTask

    # Not through its scheduler, which leaves out what is not due soon.
    for row in PeriodicTask.objects.all():
        yield row.name, lambda row=row: of_row(row)


def of_row(row):
    options = {name: getattr(row, name) for name in ("queue", "exchange", "routing_key", "priority")}
    options["headers"] = json.loads(row.headers or "{}")
    options["expires"] = row.expires or row.expire_seconds
    more = {"start_at": row.start_time, "max_runs": 1 if row.one_off else None, "description": row.description}
    if not row.enabled:
        more["enabled"] = False
    return row.schedule, row.task, json.loads(row.args), json.loads(row.kwargs), options, more


def main(app_name, source=None):
    sys.path.insert(0, os.getcwd())
    app = find_app(app_name)
    # As Celery Beat does it: what the app's modules add to the schedule is in it then.
    app.loader.init_worker()
    app.finalize()
    zone = str(app.timezone)
    schedules, failures = {}, 0
    for name, parts in of_django() if source == "django" else of_settings(app):
        try:
            schedules[name] = definition(zone, *parts())
        except (TypeError, ValueError, AttributeError) as error:
            failures += 1
            print(f"{name}: {error}", file=sys.stderr)
    print(json.dumps({"timezone": zone, "schedules": schedules}, indent=2))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
