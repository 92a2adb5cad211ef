import { versions } from "../../versions.ts";
import { type Command, flags, type JsonFlag, jsonFlag } from "../command.ts";
import { print, printJson } from "../output.ts";

export const version: Command<JsonFlag> = {
  command: "version",
  describe: "The versions of Beat, of Node and of its time-zone data",
  builder: flags(jsonFlag),
  async run({ json }) {
    const { beat, node, time_zone_data } = versions();
    if (json) printJson({ beat, node, time_zone_data });
    else print(`beat ${beat}, Node ${node}, time-zone data ${time_zone_data}`);
    return 0;
  },
};
