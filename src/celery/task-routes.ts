// Celery's `task_routes`: where a task of some name goes.

import type { TaskOptions } from "../core/target.ts";

/** A queue's name, or options. */
type Route = string | TaskOptions;
type RouteMap = Readonly<Record<string, Route>>;

interface Pattern {
  readonly parts: readonly PatternPart[];
  readonly route: Route;
}

/** Made once for all entries of a file. */
const patterns = new WeakMap<RouteMap, readonly Pattern[]>();

/** Of each map its exact name first, then its patterns in order; the first map that has one decides. */
export function routeFor(task: string, routes: RouteMap | readonly RouteMap[] = []): TaskOptions | undefined {
  for (const map of Array.isArray(routes) ? (routes as readonly RouteMap[]) : [routes as RouteMap]) {
    const exact = isPattern(task) || !Object.hasOwn(map, task) ? undefined : map[task];
    const route = exact ?? patternsOf(map).find(({ parts }) => matches(parts, task))?.route;
    if (route !== undefined) return typeof route === "string" ? { queue: route } : route;
  }
  return undefined;
}

/** To Celery, only a name with a star is one. */
const isPattern = (name: string): boolean => name.includes("*");

function patternsOf(map: RouteMap): readonly Pattern[] {
  const found =
    patterns.get(map) ??
    Object.entries(map)
      .filter(([name]) => isPattern(name))
      .map(([name, route]) => ({ parts: partsOf(name), route }));
  patterns.set(map, found);
  return found;
}

type PatternPart = "*" | ((character: string) => boolean);

/** Python's fnmatch, over the whole name: where the rest does not fit, the last star takes one character more. */
function matches(parts: readonly PatternPart[], task: string): boolean {
  let [at, star, mark] = [0, -1, 0];
  for (let index = 0; index < task.length; ) {
    const part = parts[at];
    if (part === "*") [star, mark, at] = [at, index, at + 1];
    else if (part?.(task[index]!)) [at, index] = [at + 1, index + 1];
    else if (star < 0) return false;
    else [at, mark, index] = [star + 1, mark + 1, mark + 1];
  }
  return parts.slice(at).every((part) => part === "*");
}

/** `*`, `?`, `[abc]`, `[!a-c]`; all else stands for itself. */
function partsOf(pattern: string): PatternPart[] {
  return (pattern.match(/\[!?\]?[^\]]*\]|[\s\S]/g) ?? []).map((text): PatternPart => {
    if (text === "*") return "*";
    if (text === "?") return () => true;
    if (text.length === 1) return (character) => character === text;
    const isNot = text[1] === "!";
    const set = text.slice(isNot ? 2 : 1, -1);
    return (character) => isIn(set, character) !== isNot;
  });
}

function isIn(set: string, character: string): boolean {
  for (let index = 0; index < set.length; index++) {
    const isRange = set[index + 1] === "-" && index + 2 < set.length;
    const last = isRange ? set[index + 2]! : set[index]!;
    if (character >= set[index]! && character <= last) return true;
    if (isRange) index += 2;
  }
  return false;
}
