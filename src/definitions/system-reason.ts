// Why the system would not open a file, in plain words.

import { reasonOf } from "../core/errors.ts";

export function systemReason(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ENOENT") return "there is none of that name";
  if (code === "EACCES" || code === "EPERM") return "this user has no right to";
  return reasonOf(error);
}
