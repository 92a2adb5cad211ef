import { proveSeeds } from "./seeds.ts";

proveSeeds(3_001, 3_000);
