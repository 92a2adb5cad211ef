"""Says of each case, one JSON object a line, what Celery's own client sends for a canvas, and what a worker sends for Beat's message."""

import json
import sys

import kombu
from celery import Celery, chain, chord, current_app, group, signature

sent = []


def publish(producer, body, **options):
    exchange = options["exchange"]
    rest = body[2]["chain"] or []
    sent.append(
        {
            "task": options["headers"]["task"],
            "exchange": getattr(exchange, "name", exchange),
            "routing_key": options["routing_key"],
            # A task that the client has the code of takes the setting for its own.
            "priority": options.get("priority", current_app.conf.task_default_priority) or 0,
            "serializer": options["serializer"],
            "persistent": options["delivery_mode"] in (2, "persistent"),
            # The worker that sends these asks its own configuration for what is not said.
            "rest": [[each["task"], each["options"].get("queue")] for each in rest],
        }
    )


kombu.Producer.publish = publish


def messages(conf, send):
    sent.clear()
    app = Celery("canvases", broker="memory://", backend="cache+memory://")
    app.conf.update(conf)
    app.finalize()
    send(app)
    return list(sent)


def canvas(app, written):
    def one(member):
        if isinstance(member, dict) and "chain" in member:
            return chain(*map(one, member["chain"]), app=app)
        call = {"task": member} if isinstance(member, str) else member
        return signature(call["task"], options=call.get("options", {}), app=app)

    if "chord" in written:
        return chord([one(each) for each in written["chord"]["header"]], one(written["chord"]["body"]), app=app)
    if "group" in written:
        return group([one(each) for each in written["group"]], app=app)
    return one(written)


for line in sys.stdin:
    case = json.loads(line)
    task, kwargs = case["message"]["task"], case["message"]["kwargs"]
    queues = {"task_queues": case["conf"].get("task_queues")}
    print(
        json.dumps(
            {
                "client": messages(case["conf"], lambda app: canvas(app, case["written"]).apply_async()),
                "worker": messages(queues, lambda app: app.tasks[task].run(**kwargs)),
            }
        )
    )
