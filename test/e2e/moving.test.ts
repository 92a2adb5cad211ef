// What docs/moving.md says of Celery Beat: a script prints an app's schedules as a schedule file.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { celeryVenv, celeryVersions } from "../servers/celery.ts";
import { beat, folder, root } from "./beat.ts";

const app = `
from datetime import timedelta
from celery import Celery
from celery.schedules import crontab, schedule

class Moon(schedule):
    pass

app = Celery("proj")
app.conf.timezone = "Europe/Berlin"
app.conf.beat_schedule = {
    "seconds": {"task": "t.a", "schedule": 30.0},
    "delta": {"task": "t.b", "schedule": timedelta(minutes=5), "args": (1, "x"),
              "options": {"queue": "mails", "expires": timedelta(hours=1), "priority": None}},
    "crontab": {"task": "t.c", "schedule": crontab(hour=7, minute=[30, 0], day_of_week="mon-fri"), "kwargs": {"k": 1}},
}

@app.on_after_finalize.connect
def add_periodic_tasks(sender, **kwargs):
    sender.add_periodic_task(crontab(), sender.signature("t.d"), name="each-minute")
`;
/** What is not there without a Django: its rows, as django-celery-beat 2.9 has them. */
const rows = `
from datetime import datetime, timezone
from types import SimpleNamespace
from zoneinfo import ZoneInfo
from celery.schedules import crontab, schedule

class TzAwareCrontab(crontab):
    tz = ZoneInfo("America/New_York")

nothing = dict.fromkeys(("queue", "exchange", "routing_key", "priority", "expires", "expire_seconds", "start_time"))
common = {**nothing, "args": "[]", "kwargs": "{}", "headers": "{}", "one_off": False, "enabled": True, "description": ""}

class PeriodicTask:
    class objects:
        def all():
            return [SimpleNamespace(**{**common, **row}) for row in (
                {"name": "report", "task": "t.a", "schedule": TzAwareCrontab(minute="0", hour="7"), "args": "[1]",
                 "headers": '{"h": 1}', "expire_seconds": 60, "description": "for Ann"},
                {"name": "once", "task": "t.b", "schedule": SimpleNamespace(clocked_time=datetime(2100, 1, 1, tzinfo=timezone.utc)),
                 "one_off": True},
                {"name": "off", "task": "t.c", "schedule": schedule(0.5), "enabled": False,
                 "start_time": datetime(2100, 1, 1, tzinfo=timezone.utc)},
                {"name": "broken", "task": "t.d", "schedule": schedule(1), "args": "[1"},
            )]
`;

for (const version of celeryVersions) {
  test(`beat_schedule of Celery ${version} becomes a schedule file`, async (t) => {
    const { cwd, print } = await project(t, version);
    const { status, stdout, stderr } = print("proj:app");
    assert.deepEqual({ status, stderr }, { status: 0, stderr: "" });
    assert.deepEqual(JSON.parse(stdout), {
      timezone: "Europe/Berlin",
      schedules: {
        seconds: { every: 30, task: "t.a" },
        delta: { every: 300, task: "t.b", args: [1, "x"], options: { queue: "mails", expires: 3600 } },
        crontab: { crontab: { minute: "0,30", hour: "7", day_of_week: "mon-fri" }, task: "t.c", kwargs: { k: 1 } },
        "each-minute": { crontab: "* * * * *", task: "t.d" },
      },
    });
    await assertValid(cwd, stdout);
  });
}

test("a schedule that is code is named, and the others are printed", async (t) => {
  const { cwd, print } = await project(t, celeryVersions[0]!);
  await writeFile(join(cwd, "own.py"), `${app}\napp.conf.beat_schedule["moon"] = {"task": "t", "schedule": Moon(9)}\n`);
  const { status, stdout, stderr } = print("own:app");
  assert.deepEqual({ status, stderr }, { status: 1, stderr: "moon: its schedule is a Moon, which is code\n" });
  assert.equal(Object.keys(JSON.parse(stdout).schedules).length, 4);
});

test("so do the rows of django-celery-beat, also those that are disabled", async (t) => {
  const { cwd, print } = await project(t, celeryVersions[0]!);
  const { status, stdout, stderr } = print("proj:app", "django");
  assert.equal(status, 1);
  assert.match(stderr, /^broken: Expecting ',' delimiter[^\n]*\n$/);
  assert.deepEqual(JSON.parse(stdout).schedules, {
    report: {
      crontab: { minute: "0", hour: "7" },
      timezone: "America/New_York",
      task: "t.a",
      args: [1],
      options: { headers: { h: 1 }, expires: 60 },
      description: "for Ann",
    },
    once: { at: "2100-01-01T00:00:00+00:00", task: "t.b", max_runs: 1 },
    off: { every: 0.5, task: "t.c", start_at: "2100-01-01T00:00:00+00:00", enabled: false },
  });
  await assertValid(cwd, stdout);
});

/** A folder with an app, and the script as it is run there. */
async function project(t: TestContext, version: (typeof celeryVersions)[number]) {
  const cwd = await folder(t);
  const python = await celeryVenv(version);
  await mkdir(join(cwd, "django_celery_beat"));
  await writeFile(join(cwd, "django.py"), "def setup():\n    pass\n");
  await writeFile(join(cwd, "proj.py"), app);
  await writeFile(join(cwd, "django_celery_beat/models.py"), rows);
  const script = join(root, "examples/celery/schedule_file.py");
  const print = (...args: string[]) => spawnSync(python, [script, ...args], { cwd, encoding: "utf8", timeout: 60_000 });
  return { cwd, print };
}

async function assertValid(cwd: string, text: string): Promise<void> {
  await writeFile(join(cwd, "celery.yaml"), text);
  const { code, stdout } = await beat(["validate", "celery.yaml"], { cwd });
  assert.equal(code, 0, stdout);
}
