// Adds a job to a queue and waits for what a worker, here one in Go, makes of it
// (npm install bullmq).
//
//   REDIS_HOST=localhost node examples/bullmq/producer.cjs welcome ada@example.org
const { Queue, QueueEvents } = require('bullmq');

const connection = {
  host: process.env.REDIS_HOST ?? 'localhost',
  port: Number(process.env.REDIS_PORT ?? 6379),
};

async function main(queueName, to) {
  const queue = new Queue(queueName, { connection });
  const events = new QueueEvents(queueName, { connection, lastEventId: '0' }); // an event before the first read is not missed
  try {
    await events.waitUntilReady();
    const job = await queue.add('mail', { to }, { attempts: 3, backoff: { type: 'exponential', delay: 1000 } });
    const result = await job.waitUntilFinished(events);
    console.log(`job ${job.id}: ${result.text}`);
  } finally {
    await events.close();
    await queue.close();
  }
}

main(process.argv[2] ?? 'welcome', process.argv[3] ?? 'ada@example.org');
