// A worker of celery-node, which is no Python: it takes the task "sample.echo" and prints what that was given, as JSON.
//   node node_worker.cjs BROKER_URL BACKEND_URL QUEUE

const { createWorker } = require("celery-node");

console.info = () => {};
const [broker, backend, queue] = process.argv.slice(2);
const worker = createWorker(broker, backend, queue);
worker.register("sample.echo", (...args) => console.log(JSON.stringify(args)));
worker.isReady().then(() => {
  console.log("ready");
  worker.start();
});
