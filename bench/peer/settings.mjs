// What the web application and the worker share: where the servers are, and the queue's defaults.
import pg from 'pg';

export const queueName = 'event-notifications';

export const redis = {
  host: process.env.REDIS_HOST ?? 'localhost',
  port: Number(process.env.REDIS_PORT ?? 6379),
};

export const jobOptions = {
  attempts: 4, // the first and three retries
  backoff: { type: 'times five', delay: 5000 },
  removeOnComplete: { age: 24 * 3600 },
  removeOnFail: { age: 7 * 24 * 3600 },
};

// 5 s, 25 s, 125 s
export const backoffStrategy = (attemptsMade) => 5000 * 5 ** (attemptsMade - 1);

export const database = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10 });
