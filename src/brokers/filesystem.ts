// Files in a folder, as kombu's filesystem transport uses it: no server, for machines that share a disk.

import { resolve } from "node:path";
import { BrokerError } from "../core/errors.ts";
import { maskUrl } from "../core/mask.ts";
import { BatchLink } from "./batch-link.ts";
import { folderFailure, MessageFolder } from "./filesystem-folder.ts";
import { KeptBroker, type KeptBrokerOptions, type LinkListener, type Transport } from "./kept-broker.ts";
import { UnreadNotice } from "./unread-notice.ts";
import { checkParameters } from "./url-text.ts";

export interface FilesystemBrokerOptions extends KeptBrokerOptions {
  /** A disk that answers nothing for so long is given up for the time being. */
  readonly confirmLimitMs?: number;
}

/** Celery's options of this transport. Only the first one matters to who writes; the others may stay where they are copied from. */
const parameters = [
  "data_folder_out",
  "data_folder_in",
  "control_folder",
  "store_processed",
  "processed_folder",
  "polling_interval",
];

export class FilesystemBroker extends KeptBroker {
  /** Throws BrokerError for a URL that is none. */
  constructor(url: string, options: FilesystemBrokerOptions) {
    const path = folderOf(url);
    const { clock, confirmLimitMs = 15_000 } = options;
    let tell = (_: string) => {};
    const notice = new UnreadNotice("filesystem://", (text) => tell(text));
    const transport: Transport = {
      url: maskUrl(url),
      at: path,
      window: 2_500,
      async open(_: AbortController, listener: LinkListener) {
        tell = listener.notice;
        const folder = await MessageFolder.open(path, { clock, notice });
        return new BatchLink(folder, { clock, confirmLimitMs }, listener);
      },
      failure: (error) => folderFailure(error, path),
    };
    super(transport, options);
  }
}

/** The absolute path of the folder into which messages go. Throws BrokerError. */
export function folderOf(url: string): string {
  const [place, search = ""] = url.split(/\?(.*)/s);
  const query = new URLSearchParams(search);
  if (!/^filesystem:\/\/(localhost)?\/{0,2}$/i.test(place!)) {
    throw new BrokerError(`${maskUrl(url)} is not a filesystem URL`, {
      remedy: "Write filesystem://?data_folder_out=/var/spool/celery, the folder that workers have as data_folder_in.",
    });
  }
  checkParameters(query.keys(), parameters, url);
  const path = query.get("data_folder_out") ?? "";
  if (path !== "") return resolve(path);
  throw new BrokerError(`${maskUrl(url)} names no folder`, {
    remedy: "Add ?data_folder_out=/var/spool/celery: the folder that workers have as data_folder_in.",
  });
}
