import { proveSeeds } from "./seeds.ts";

proveSeeds(2_001, 2_000);
