// A command as the command line runs it, in this process: what it prints, and its exit code.

import type { TestContext } from "node:test";
import { main } from "../../src/cli/main.ts";

export interface Printed {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** `words`: the command and its flags. */
export async function beat(t: TestContext, ...words: string[]): Promise<Printed> {
  const texts = { stdout: "", stderr: "" };
  const mocks = (["stdout", "stderr"] as const).map((stream) => {
    const real = process[stream].write.bind(process[stream]);
    return t.mock.method(process[stream], "write", (...given: Parameters<typeof real>): boolean => {
      // The test runner reports in bytes.
      if (typeof given[0] !== "string") return real(...given);
      texts[stream] += given[0];
      return true;
    });
  });
  try {
    return { code: await main(words), ...texts };
  } finally {
    for (const { mock } of mocks) mock.restore();
  }
}
