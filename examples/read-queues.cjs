// Reads Schoolbell's queues with BullMQ (npm install bullmq): counts, failed
// jobs, and one job with its state and progress if its id is given.
//
//   REDIS_HOST=localhost node examples/read-queues.cjs [job-id]
//
// This needs a Redis of its own for the queues (REDIS_HOST), not the one that
// lives in the process of schoolbell serve.
const { Queue } = require('bullmq');

const connection = {
  host: process.env.REDIS_HOST ?? 'localhost',
  port: Number(process.env.REDIS_PORT ?? 6379),
};

async function main(jobId) {
  const events = new Queue('event-notifications', { connection });
  const mails = new Queue('event-notifications-email', { connection });
  const urgent = ['event-notifications.urgent', 'event-notifications-email.urgent'].map((name) => new Queue(name, { connection }));
  try {
    for (const queue of [events, mails, ...urgent]) {
      console.log(queue.name, await queue.getJobCounts());
      for (const job of await queue.getFailed()) {
        console.log('  failed:', job.id, job.failedReason);
      }
    }
    if (jobId) {
      const job = (await events.getJob(jobId)) ?? (await urgent[0].getJob(jobId));
      if (!job) throw new Error(`there is no job ${jobId}`);
      console.log(job.id, await job.getState(), job.progress);
    }
  } finally {
    await Promise.all([events, mails, ...urgent].map((queue) => queue.close()));
  }
}

main(process.argv[2]).catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
