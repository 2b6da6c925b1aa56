// The worker: users in batches of 100, each batch into the inboxes and out by mail.
import { Worker } from 'bullmq';
import nodemailer from 'nodemailer';
import { backoffStrategy, database, queueName, redis } from './settings.mjs';

const batchSize = 100;

const mailer = nodemailer.createTransport({
  pool: true,
  host: process.env.SMTP_HOST,
  port: Number(process.env.SMTP_PORT ?? 25),
  secure: false,
  ignoreTLS: true,
  maxConnections: 20,
  maxMessages: Infinity,
});

const escape = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

function mail(event, user) {
  return {
    from: 'Hill School <office@hill.example>',
    to: { name: user.name, address: user.email },
    subject: event.title,
    text: `Dear ${user.name},\n\n${event.body}\n\nHill School\n`,
    html: `<!doctype html><p>Dear ${escape(user.name)},</p><p>${escape(event.body)}</p><p>Hill School</p>`,
  };
}

const select = (name, text, values) => database.query({ name, text, values }).then((result) => result.rows);

async function notifyInApp(event, users) {
  await select(
    'notify',
    'INSERT INTO notifications (event_id, user_id, title, body) SELECT $1, unnest($2::bigint[]), $3, $4',
    [event.id, users.map((user) => user.id), event.title, event.body],
  );
}

async function notifyByMail(event, users) {
  const sent = await Promise.allSettled(users.filter((user) => user.email).map((user) => mailer.sendMail(mail(event, user))));
  return sent.filter((result) => result.status === 'rejected').length;
}

// An event goes to named users or to everybody with one of its roles.
const audienceOf = (event) => (event.users.length > 0
  ? { kind: 'users', where: 'id = ANY($1::bigint[])', list: event.users }
  : { kind: 'roles', where: 'role = ANY($1::text[])', list: event.roles });

async function notify(job) {
  const [event] = await select('event', 'SELECT id, title, body, roles, users FROM events WHERE id = $1', [job.data.eventId]);
  const { kind, where, list } = audienceOf(event);
  const [{ total }] = await select(`total of ${kind}`, `SELECT count(*)::int AS total FROM users WHERE ${where}`, [list]);
  let done = 0;
  let failed = 0;
  let last = 0;
  while (true) {
    const users = await select(
      `batch of ${kind}`,
      `SELECT id, name, email FROM users WHERE ${where} AND id > $2 ORDER BY id LIMIT $3`,
      [list, last, batchSize],
    );
    if (users.length === 0) return { total, done, failed };
    const [, failures] = await Promise.all([notifyInApp(event, users), notifyByMail(event, users)]);
    done += users.length;
    failed += failures;
    last = users.at(-1).id;
    await job.updateProgress(Math.round((done / total) * 100));
  }
}

const rateMax = Number(process.env.RATE_LIMIT_MAX ?? 10); // 0 means no limit

const worker = new Worker(queueName, notify, {
  connection: redis,
  concurrency: 5,
  ...(rateMax > 0 && { limiter: { max: rateMax, duration: 1000 } }),
  settings: { backoffStrategy },
});
worker.on('failed', (job, error) => console.error(`job ${job?.id} failed: ${error.message}`));
worker.on('error', (error) => console.error(error.message));

await worker.waitUntilReady();
console.log('ready');
