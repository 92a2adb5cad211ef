"""Says of each case, one JSON object a line, what Celery's own client would send."""

import json
import sys

from celery import Celery


class Producer:
    def publish(self, body, **sent):
        self.sent = sent


for line in sys.stdin:
    case = json.loads(line)
    app = Celery("routes", set_as_current=False)
    app.conf.update(case["conf"])
    options = app.amqp.router.route(dict(case["options"]), case["task"])
    producer = Producer()
    app.amqp.send_task_message(producer, case["task"], ({}, {}, (), None), **options)
    sent = producer.sent
    queue = (sent["declare"] or [None])[0]
    print(
        json.dumps(
            {
                "exchange": getattr(sent["exchange"], "name", sent["exchange"]),
                "routing_key": sent["routing_key"],
                "priority": sent.get("priority", app.conf.task_default_priority) or 0,
                "serializer": sent["serializer"],
                "compression": sent["compression"],
                "persistent": sent["delivery_mode"] in (2, "persistent"),
                "queue": queue
                and {
                    "queue": queue.name,
                    "arguments": queue.queue_arguments or {},
                    "exchange": queue.exchange.name,
                    "exchangeType": queue.exchange.type,
                    "routingKey": queue.routing_key,
                },
            }
        )
    )
