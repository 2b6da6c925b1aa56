// BullMQ as the queue benchmark measures it: told on standard input what to do, one
// line a task, it answers each with one line of JSON; see ../queue/subject.
import { createInterface } from 'node:readline';
import { Queue, Worker } from 'bullmq';

const [host, port] = process.argv[2].split(':');
const connection = { host, port: Number(port) };
const queue = new Queue('bench', { connection });
const payload = (n) => ({ n, text: 'a small payload, as jobs have them' });

async function add(n, callers) {
  const caller = async (c) => {
    for (let i = c; i < n; i += callers) await queue.add('job', payload(i));
  };
  await Promise.all(Array.from({ length: callers }, (_, c) => caller(c)));
}

async function bulk(n, size) {
  for (let from = 0; from < n; from += size) {
    await queue.addBulk(Array.from({ length: Math.min(size, n - from) }, (_, i) => ({ name: 'job', data: payload(from + i) })));
  }
}

function start(concurrency, started, done) {
  const handle = async () => started();
  const worker = new Worker('bench', handle, { connection, concurrency, removeOnComplete: { count: 0 } });
  worker.on('completed', done);
  worker.on('error', fail);
  return worker;
}

async function work(n, concurrency) {
  let left = n;
  let finish;
  const finished = new Promise((resolve) => { finish = resolve; });
  const begin = performance.now();
  const worker = start(concurrency, () => {}, () => { if (--left === 0) finish(); });
  await finished;
  const seconds = (performance.now() - begin) / 1000;
  await worker.close();
  return { seconds };
}

async function idle(n) {
  let started;
  let done;
  const worker = start(1, () => started(performance.now()), () => done());
  await worker.waitUntilReady();
  const micros = [];
  for (let i = 0; i < n; i++) {
    await new Promise((resolve) => { setTimeout(resolve, 30); });
    const begun = new Promise((resolve) => { started = resolve; });
    const ended = new Promise((resolve) => { done = resolve; });
    const begin = performance.now();
    await queue.add('job', payload(i));
    micros.push((await begun - begin) * 1000);
    await ended;
  }
  await worker.close();
  return { seconds: 0, micros };
}

function fail(error) {
  console.error(error);
  process.exit(1);
}

async function run(task, n, k) {
  if (task === 'work') return work(n, k);
  if (task === 'idle') return idle(n);
  const begin = performance.now();
  await (task === 'add' ? add(n, k) : bulk(n, k));
  return { seconds: (performance.now() - begin) / 1000 };
}

await queue.waitUntilReady();
console.log('{"ready":true}');
for await (const line of createInterface({ input: process.stdin })) {
  const [task, n, k] = line.split(' ');
  console.log(JSON.stringify(await run(task, Number(n), Number(k)).catch(fail)));
}
await queue.close();
process.exit(0);
