// `beatd/testing`: what the project's own tests use, for its users' tests.

import "../node-version.ts";

export { SimulatedClock } from "./simulated-clock.ts";
export { SteppedScheduler, type SteppedSchedulerOptions } from "./stepped-scheduler.ts";
