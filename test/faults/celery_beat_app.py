"""What real `celery beat` sends from: $ENTRIES entries, each with a task of its name, every $PERIOD seconds, to the queue $QUEUE."""

import os

from celery import Celery

app = Celery("celery_beat_app", broker=os.environ["BROKER"])
app.conf.update(
    task_default_queue=os.environ["QUEUE"],
    broker_connection_retry_on_startup=True,
    beat_schedule={
        f"entry-{number}": {"task": f"entry-{number}", "schedule": float(os.environ["PERIOD"])}
        for number in range(int(os.environ["ENTRIES"]))
    },
)
