// What is used here of piscina. Its own types hold under `skipLibCheck` alone; `paths` in tsconfig.json puts these in their place.

export class Piscina {
  constructor(options: {
    readonly filename: string;
    readonly minThreads: number;
    readonly maxThreads: number;
    readonly idleTimeout: number;
    readonly atomics: "disabled";
    readonly recordTiming: boolean;
  });
  run(
    task: unknown,
    options: { readonly transferList: readonly object[]; readonly signal: AbortSignal },
  ): Promise<unknown>;
  destroy(): Promise<void>;
  on(event: "error", listener: (error: unknown) => void): this;
}
