// The verdict for people.

import type { Verdict } from "./check.ts";

const shownAtMost = 20;

export function reportOf({ title, outcome, findings, counts, worstLateMs }: Verdict): string {
  const lines = [
    `${title}: ${outcome}`,
    `  nominal times: ${counts.certain} certain, ${counts.byPolicy} by policy, ${counts.uncertain} uncertain, ${counts.forbidden} forbidden; ${counts.delivered} delivered`,
    `  repeats under the same id: ${counts.repeats}; withdrawn in doubt: ${counts.withdrawnInDoubt}; latest: ${worstLateMs.undisturbed} ms undisturbed, ${worstLateMs.atAll} ms at all`,
  ];
  const kinds = Map.groupBy(findings, ({ kind }) => kind);
  if (kinds.size > 0) lines.push(`  ${[...kinds].map(([kind, { length }]) => `${kind}: ${length}`).join(", ")}`);
  for (const { kind, entry, fireAt, at, text } of findings.slice(0, shownAtMost))
    lines.push(`  ${iso(at)}  ${entry} of ${iso(fireAt)}  ${kind}: ${text}`);
  if (findings.length > shownAtMost) lines.push(`  and ${findings.length - shownAtMost} more`);
  return lines.join("\n");
}

function iso(at: number): string {
  return new Date(at).toISOString();
}
