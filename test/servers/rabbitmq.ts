// A RabbitMQ of a test file's own, with an epmd that it has to itself.

import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { freePorts, type OwnServer, programPath, serverFolder, startServer } from "./own-server.ts";

const configuration = `
listeners.tcp.default = 127.0.0.1:PORT
disk_free_limit.absolute = 1MB
log.console = true
log.console.level = warning
log.file = false
`;
/** epmd first, in the foreground, so that the server does not start one that outlives it. */
const script = `
"$1" -port "$ERL_EPMD_PORT" -address 127.0.0.1 & servers=$!
"$2" </dev/null & servers="$servers $!"
`;

/** Durable queues and confirmed persistent messages survive a `kill`. */
export interface RabbitmqServer extends OwnServer {
  /** `amqp://guest:guest@127.0.0.1:<port>//` */
  readonly url: string;
  readonly port: number;
  /** Resolves with what it prints. */
  rabbitmqctl(...args: string[]): Promise<string>;
}

export interface RabbitmqOptions {
  /** Lines of rabbitmq.conf. */
  readonly configuration?: string;
  readonly plugins?: readonly string[];
}

export async function startRabbitmq({
  configuration: own = "",
  plugins = [],
}: RabbitmqOptions = {}): Promise<RabbitmqServer> {
  const command = [program("epmd"), program("rabbitmq-server")];
  const folder = await serverFolder("rabbitmq");
  const [port, distributionPort, epmdPort] = await freePorts(3);
  await writeFile(join(folder, "rabbitmq.conf"), configuration.replace("PORT", String(port)) + own);
  await writeFile(join(folder, "enabled_plugins"), `[${plugins}].\n`);
  await writeFile(join(folder, "environment.conf"), "");
  const environment = {
    PATH: process.env["PATH"],
    LANG: "C.UTF-8",
    HOME: folder,
    ERL_EPMD_PORT: String(epmdPort),
    ERL_EPMD_ADDRESS: "127.0.0.1",
    RABBITMQ_NODENAME: `beat-${port}@localhost`,
    RABBITMQ_NODE_PORT: String(port),
    RABBITMQ_DIST_PORT: String(distributionPort),
    RABBITMQ_CONF_ENV_FILE: join(folder, "environment.conf"),
    RABBITMQ_CONFIG_FILE: join(folder, "rabbitmq.conf"),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, "enabled_plugins"),
    RABBITMQ_MNESIA_BASE: join(folder, "data"),
    RABBITMQ_LOG_BASE: join(folder, "log"),
    RABBITMQ_PID_FILE: join(folder, "server.pid"),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: "+S 2:2 +sbwt none +sbwtdcpu none -kernel inet_dist_use_interface {127,0,0,1}",
    // Makes the start script become the server instead of minding it.
    RUNNING_UNDER_SYSTEMD: "true",
  };
  const options = { env: environment, cwd: folder };
  const server = await startServer({
    name: `rabbitmq-server on port ${port}`,
    folder,
    command,
    script,
    options,
    answers: () => answers(port!),
  });
  return {
    ...server,
    url: `amqp://guest:guest@127.0.0.1:${port}//`,
    port: port!,
    async kill() {
      await server.kill();
      while (await answers(port!)) await sleep(20);
    },
    rabbitmqctl: async (...args) =>
      (await promisify(execFile)(program("rabbitmqctl"), ["--quiet", ...args], options)).stdout,
  };
}

/** Debian's programs in PATH are wrappers that change the user and the folder; the real ones are beside them. */
const program = (name: string) => programPath(name, ["rabbitmq-server", "rabbitmq"], ["/usr/lib/rabbitmq/bin"]);

/** Whether a server speaks AMQP there: it answers the protocol header with connection.start. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => socket.write("AMQP\0\0\x09\x01"));
    const settle = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(1_000, () => settle(false));
    socket
      .once("data", () => settle(true))
      .once("error", () => settle(false))
      .once("close", () => settle(false));
  });
}
