// On which channels workers listen, and where Beat asks them.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { parseRedisUrl } from "../../src/brokers/redis-address.ts";
import { channelsOf } from "../../src/brokers/redis-pidbox.ts";
import { pidboxReplyExchange } from "../../src/celery/pidbox.ts";
import { golden } from "../celery/captures.ts";

const urls: Readonly<Record<string, string>> = {
  redis: "redis://h/13",
  prefix: "redis://h/13?global_keyprefix=pfx:",
  sentinel: "sentinel://h/13?master_name=m",
};

suite("what workers asked Redis for", () => {
  for (const [place, commands] of Object.entries<readonly string[]>(golden("redis-psubscribe"))) {
    test(place, () => {
      const address = parseRedisUrl(urls[place.split("/")[1]!]!);
      const words = (command: string) =>
        commands.filter((each) => each.startsWith(`"${command}"`)).map((each) => each.split('"')[3]!);
      const heard = words("PSUBSCRIBE").find((channel) => channel.endsWith(".pidbox"));
      assert.ok(channelsOf(address).includes(heard!), heard);
      assert.ok(
        words("BRPOP").every(
          (list) => list.startsWith(address.keys.prefix) && list.endsWith(`.${pidboxReplyExchange}`),
        ),
      );
    });
  }
});
