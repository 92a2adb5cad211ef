// W3C Trace Context: an occurrence is a trace of its own, so that what a worker does for it is found by its id.

/** The `traceparent` of an occurrence: its id is the trace's, the second half of it the span's. Sampled. */
export function traceparentOf(id: string): string {
  const digits = id.replaceAll("-", "");
  return `00-${digits}-${digits.slice(16)}-01`;
}
