"""The worker's side: an ordinary Celery app. Start it as the README beside this file says."""

import os

from celery import Celery

app = Celery("tasks", broker=os.environ.get("BROKER_URL", "sqla+sqlite:///beat-broker.sqlite"))


@app.task(name="tasks.add")
def add(a, b):
    return a + b


@app.task(name="tasks.report", bind=True)
def report(self, kind, recipients):
    # The nominal fire time travels in a header.
    print(f"{kind} report of {getattr(self.request, 'beat_fire_time', None)} to {', '.join(recipients)}")


@app.task(name="tasks.greet")
def greet(whom):
    print(f"Happy new year, {whom}!")
