import { proveSeeds } from "./seeds.ts";

proveSeeds(1_001, 500);
