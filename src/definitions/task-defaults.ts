// The key `defaults` of a schedule file.

import { type TaskDefaults, taskDefaultsSchema } from "../celery/task-defaults.ts";
import { problemsOfShape } from "../core/definition-problems.ts";
import { DefinitionError } from "../core/errors.ts";
import type { YamlFile } from "./yaml-file.ts";

const topKey = "defaults";

/** What is wrong with them goes to `problems`; then none apply. */
export function parseTaskDefaults(yaml: YamlFile, problems: DefinitionError[]): TaskDefaults {
  const member = yaml.members().find(({ key }) => key === topKey);
  if (member === undefined) return {};
  const parsed = taskDefaultsSchema.safeParse(member.value);
  if (parsed.success) return parsed.data;
  for (const problem of problemsOfShape(parsed.error, member.value, {}, taskDefaultsSchema)) {
    const field = problem.place?.field;
    const { message, remedy } = problem;
    problems.push(
      new DefinitionError(message, {
        ...(remedy && { remedy }),
        place: {
          ...(field === undefined ? member.place : yaml.locate(member, field)),
          field: field === undefined ? topKey : `${topKey}.${field}`,
        },
        cause: problem,
      }),
    );
  }
  return {};
}
