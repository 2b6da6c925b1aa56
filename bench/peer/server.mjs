// The web application: an event is saved, a job is added, the request is answered.
import http from 'node:http';
import { Queue } from 'bullmq';
import { database, jobOptions, queueName, redis } from './settings.mjs';

const queue = new Queue(queueName, { connection: redis, defaultJobOptions: jobOptions });

async function read(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks));
}

async function createEvent(request, response) {
  const { title, body, roles = [], users = [] } = await read(request);
  const { rows } = await database.query(
    { name: 'create', text: 'INSERT INTO events (title, body, roles, users) VALUES ($1, $2, $3, $4) RETURNING id', values: [title, body, roles, users] },
  );
  const eventId = rows[0].id;
  await queue.add('notify', { eventId });
  response.writeHead(201, { 'Content-Type': 'application/json' });
  response.end(JSON.stringify({ id: eventId, status: 'queued' }));
}

const server = http.createServer((request, response) => {
  if (request.method !== 'POST' || request.url !== '/events') {
    response.writeHead(404).end();
    return;
  }
  createEvent(request, response).catch((error) => {
    console.error(error);
    response.writeHead(500).end();
  });
});

await queue.waitUntilReady();
server.listen(Number(process.env.PORT ?? 3000), '127.0.0.1', () => console.log('ready'));
