"""moto's server. With each message it goes several times over all of its queue, which is made quick here: queues of tests are long."""

import sys

from moto.core.utils import unix_time_millis
from moto.server import main
from moto.sqs.models import Queue, SQSBackend

counted = Queue.attributes
deleted = Queue.delete_message


class Attributes(dict):
    """Counted when somebody wants more than what each sending looks at."""

    def __init__(self, queue):
        super().__init__()
        self.queue = queue

    def get(self, name, default=None):
        if name == "ContentBasedDeduplication":
            return str(self.queue.content_based_deduplication).lower() if self.queue.fifo_queue else default
        return counted.fget(self.queue).get(name, default)

    def items(self):
        return counted.fget(self.queue).items()

    def __contains__(self, name):
        return name in counted.fget(self.queue)


def ready(self):
    now = unix_time_millis()
    return [message for message in self._messages if message.visible_at < now and message.delayed_until <= now]


def delete_message(self, receipt_handle):
    for index, message in enumerate(self._messages):
        if message.receipt_handle == receipt_handle:
            self.pending_messages.discard(message)
            self.deleted_messages.update(message.all_receipt_handles)
            del self._messages[index]
            return
    deleted(self, receipt_handle)


Queue.attributes = property(Attributes)
Queue.messages = property(ready)
Queue.delete_message = delete_message
SQSBackend.is_message_valid_based_on_retention_period = lambda *_: True
main(sys.argv[1:])
