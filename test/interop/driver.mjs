// Runs pieces of Node code for a Go test: node driver.mjs MAJOR SITE. SITE is JSON; see
// the type site in main_test.go.
//
// Each line of standard input is {"id", "code", "args"}: the body of an async
// function of $ and args. Each line of standard output is {"id", "result"} or
// {"id", "error": {"message", "code"}}. Pieces run side by side. The end of the
// input ends the program, in good order.
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { openBoard } from './board.mjs';

const major = process.argv[2];
const { prefix, servers, master } = JSON.parse(process.argv[3]);
const bull = await import(`bullmq${major}`);
const connection = await connect();
const AsyncFunction = (async () => {}).constructor;

console.log = console.error; // standard output is for replies

const eventNames = [
  'added', 'waiting', 'waiting-children', 'delayed', 'active', 'progress', 'completed', 'failed', 'retries-exhausted', 'stalled',
  'removed', 'duplicated', 'deduplicated', 'cleaned', 'paused', 'resumed', 'drained',
];

// connect returns what BullMQ takes for a connection: options, or the client of a Cluster.
async function connect() {
  const addrs = servers.map((server) => ({ host: server.split(':')[0], port: Number(server.split(':')[1]) }));
  const options = { maxRetriesPerRequest: null };
  if (master) return { sentinels: addrs, name: master, ...options };
  if (addrs.length === 1) return { ...addrs[0], ...options };
  const { Cluster } = await import('ioredis');
  return new Cluster(addrs, { redisOptions: options });
}

const open = new Map();

// once keeps what make returns under a name until the end, and notes its errors.
function once(name, make) {
  if (!open.has(name)) {
    const thing = make();
    thing.on?.('error', (error) => $.errors.push(`${name}: ${error.message}`));
    open.set(name, thing);
  }
  return open.get(name);
}

async function close(name) {
  const thing = open.get(name);
  open.delete(name);
  await thing?.close();
}

const $ = {
  bull,
  connection,
  errors: [], // what Node's BullMQ complained of
  state: {}, // what one piece leaves for a later one
  queue: (name, options) => once(`queue ${name}`, () => new bull.Queue(name, { connection, prefix, ...options })),
  flow: () => once('flow', () => new bull.FlowProducer({ connection, prefix })),
  close,

  // worker runs until the end or close(`worker ${label}`).
  async worker(name, processor, { label = name, ...options } = {}) {
    const worker = once(`worker ${label}`, () => new bull.Worker(name, processor, { connection, prefix, ...options }));
    await worker.waitUntilReady();
    return worker;
  },

  // events keeps every event of a queue, from the oldest on, with its values parsed, in state.seen.
  async events(name) {
    const events = once(`events ${name}`, () => {
      const made = new bull.QueueEvents(name, { connection, prefix, lastEventId: '0' });
      $.state.seen = [];
      for (const event of eventNames) made.on(event, (args) => $.state.seen.push({ event, ...args }));
      return made;
    });
    await events.waitUntilReady();
    return events;
  },

  // otel is BullMQ's telemetry and the spans that it made; see otel.mjs.
  otel: () => import('./otel.mjs'),

  // freeze stops this program's clock.
  freeze(now) {
    Date.now = () => now;
  },

  // workOff runs a worker until nothing in the queue can be run.
  async workOff(name, processor, options) {
    await $.worker(name, processor, { name: 'w', ...options });
    while ((await $.queue(name).getJobCountByTypes('waiting', 'prioritized', 'active')) > 0) await pause(5);
    await close(`worker ${name}`);
  },

  // board is a Bull Board of these queues; see board.mjs.
  board: (...names) => openBoard(names.map((name) => $.queue(name)), major),

  // codeOf is the number of the error with which a promise is rejected, 0 if it is not.
  codeOf: (promise) => promise.then(() => 0, (error) => error.code ?? error.message),

  // plain shows a job as a program sees it.
  plain: (job) => job && {
    id: job.id,
    name: job.name,
    data: job.data,
    opts: job.opts,
    progress: job.progress,
    returnvalue: job.returnvalue ?? null,
    failedReason: job.failedReason ?? '',
    stacktrace: job.stacktrace ?? [],
    delay: job.delay,
    priority: job.priority,
    attemptsMade: job.attemptsMade,
    attemptsStarted: job.attemptsStarted,
    stalledCounter: job.stalledCounter,
    timestamp: job.timestamp,
    processedOn: job.processedOn ?? 0,
    finishedOn: job.finishedOn ?? 0,
    processedBy: job.processedBy ?? '',
    parentKey: job.parentKey ?? '',
  },
};

async function run({ id, code, args }) {
  let reply;
  try {
    reply = { id, result: (await new AsyncFunction('$', 'args', code)($, args ?? [])) ?? null };
  } catch (error) {
    reply = { id, error: { message: String(error?.message ?? error), code: error?.code ?? 0 } };
  }
  process.stdout.write(`${JSON.stringify(reply)}\n`);
}

process.stdout.write('{"id":0,"result":null}\n');
for await (const line of createInterface({ input: process.stdin })) run(JSON.parse(line));
await Promise.allSettled([...open.keys()].map(close));
process.exit(0);
