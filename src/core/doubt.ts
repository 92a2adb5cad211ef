// What the ledger adds to the reason of something that did not come to its end and may have been sent all the same.

export function inDoubt(reason: string): string {
  return `${reason}; it may have been sent before`;
}
