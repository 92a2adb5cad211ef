"""A Celery application whose tasks write down what they received: one JSON object a line, in the file $BEAT_RECEIVED."""

import json
import os
import time

from celery import Celery

app = Celery("worker_app")
app.conf.update(
    accept_content=os.environ.get("BEAT_ACCEPT_CONTENT", "json,yaml,msgpack").split(","),
    result_backend=os.environ.get("BEAT_RESULTS"),
    task_ignore_result="BEAT_RESULTS" not in os.environ,
    worker_hijack_root_logger=False,
    worker_proc_alive_timeout=60,
    broker_connection_retry_on_startup=True,
    broker_transport_options=json.loads(os.environ.get("BEAT_TRANSPORT_OPTIONS", "{}")),
)
app.conf.update(json.loads(os.environ.get("BEAT_CONF", "{}")))
if "BEAT_ONE_AT_A_TIME" in os.environ:  # What a worker has fetched it runs in the order of the fetching.
    app.conf.update(worker_prefetch_multiplier=1, task_acks_late=True)

if "BEAT_CERTIFICATES" in os.environ:  # A folder; only what their keys have signed is taken.
    folder = os.environ["BEAT_CERTIFICATES"]
    app.conf.update(
        accept_content=["auth"],
        task_serializer="auth",
        event_serializer="auth",
        result_serializer="auth",
        security_key=f"{folder}/worker.key",
        security_certificate=f"{folder}/worker.pem",
        security_cert_store=f"{folder}/*.pem",
    )
    app.setup_security()

HEADERS = ("celery_beat_task", "periodic_task_name", "beat_fire_time", "tenant")


def write(request, args, kwargs):
    line = {
        "task": request.task,
        "id": request.id,
        "args": list(args),
        "kwargs": kwargs,
        "headers": {name: getattr(request, name, None) for name in HEADERS},
        "expires": request.expires,
        "eta": request.eta,
        "timelimit": request.timelimit,
        "shadow": request.shadow,
        "root_id": request.root_id,
        "argsrepr": request.argsrepr,
        "kwargsrepr": request.kwargsrepr,
        "redelivered": request.delivery_info.get("redelivered"),
        "routing_key": request.delivery_info.get("routing_key"),
        "at": time.time(),
    }
    for name in ("stamps", "group", "parent_id"):
        if getattr(request, name, None):
            line[name] = getattr(request, name)
    data = (json.dumps(line, default=repr) + "\n").encode()
    descriptor = os.open(os.environ["BEAT_RECEIVED"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, data)
    finally:
        os.close(descriptor)


@app.task(bind=True, name="sample.echo")
def echo(self, *args, **kwargs):
    write(self.request, args, kwargs)


@app.task(bind=True, name="sample.sleep")
def sleep(self, seconds, **kwargs):
    write(self.request, [seconds], kwargs)
    time.sleep(seconds)


@app.task(bind=True, name="sample.fail")
def fail(self, *args, **kwargs):
    write(self.request, args, kwargs)
    raise ValueError("as told")


@app.task(bind=True, name="sample.add")
def add(self, *numbers, **kwargs):
    write(self.request, numbers, kwargs)
    return sum(numbers)


@app.task(bind=True, name="sample.total")
def total(self, numbers):
    write(self.request, [numbers], {})


@app.task(bind=True, name="sample.on_error")
def on_error(self, failed_id):
    write(self.request, [failed_id], {})
