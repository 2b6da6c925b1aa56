// Works off a queue, here one that a Go program adds to (npm install bullmq). It
// runs until SIGTERM or Ctrl-C, and then finishes the running job.
//
//   REDIS_HOST=localhost node examples/bullmq/worker.cjs farewell
const { Worker } = require('bullmq');

const connection = {
  host: process.env.REDIS_HOST ?? 'localhost',
  port: Number(process.env.REDIS_PORT ?? 6379),
};

const worker = new Worker(
  process.argv[2] ?? 'farewell',
  async (job) => {
    await job.updateProgress(50);
    return { text: `Node says farewell to ${job.data.to}` };
  },
  { connection, name: 'node' },
);

worker.on('error', (error) => console.error(error.message));
worker.waitUntilReady().then(() => console.log('the Node worker waits for jobs'));
for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => worker.close());
