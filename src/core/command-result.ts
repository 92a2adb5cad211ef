/** What the ledger keeps of a command that was started, as JSON. */
export interface CommandResult {
  /** null: a signal ended it. */
  readonly exit_code: number | null;
  readonly signal: string | null;
  /** The end of what it printed, at most 4 KiB (in characters) each, secrets in URLs masked. */
  readonly stdout: string;
  readonly stderr: string;
}
