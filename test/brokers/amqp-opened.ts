// What the tests of the AMQP broker share.

import { AmqpBroker, type AmqpOptions } from "../../src/brokers/amqp.ts";
import { silentLog } from "../../src/log.ts";
import { systemClock } from "../../src/system-clock.ts";
import { openings } from "./opened.ts";

export const { opened, available } = openings(
  (url: string, options: Partial<AmqpOptions> = {}) =>
    new AmqpBroker(url, { clock: systemClock, log: silentLog, declareQueues: false, ...options }),
);
