// Writes schema/beat.schema.json, the JSON Schema of schedule files for editors, from the description that the program
// itself checks by: `npx node scripts/make-schema.ts`. A test says when it is out of date.

import { writeFile } from "node:fs/promises";
import { scheduleFileSchema } from "../src/definitions/file-schema.ts";

const file = new URL("../schema/beat.schema.json", import.meta.url);
await writeFile(file, `${JSON.stringify(scheduleFileSchema(), null, 2)}\n`);
