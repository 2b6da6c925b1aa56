// A Bull Board without a web server: its routes are called directly, and it checks
// every answer against its own schemas.
import Module, { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

// openBoard returns a function that calls a route of the board of these queues.
// The board asks for bullmq by its plain name and gets the major that is tested.
export function openBoard(queues, major) {
  const resolve = Module._resolveFilename;
  Module._resolveFilename = (name, ...rest) => resolve.call(Module, name === 'bullmq' ? `bullmq${major}` : name, ...rest);
  const { createBullBoard } = require('@bull-board/api');
  const { BullMQAdapter } = require('@bull-board/api/bullMQAdapter');
  Module._resolveFilename = resolve;
  const board = {};
  const adapter = new Proxy({}, {
    get: (_, setter) => (value) => {
      board[setter] = value;
      return adapter;
    },
  });
  createBullBoard({
    queues: queues.map((queue) => new BullMQAdapter(queue)),
    serverAdapter: adapter,
    options: { uiBasePath: '.', validateResponses: true },
  });
  return async (method, path, { query = {}, body } = {}) => {
    for (const route of board.setApiRoutes) {
      const params = route.method === method && match(route.route, path);
      if (!params) continue;
      const { status = 200, body: answer } = await route.handler({ queues: board.setQueues, params, query, body, headers: {}, uiConfig: {} });
      return { status, body: answer ?? null };
    }
    throw new Error(`the board has no ${method} ${path}`);
  };
}

// match returns the parameters of a path that fits a route.
function match(route, path) {
  const names = [];
  const pattern = route.replace(/:(\w+)/g, (_, name) => {
    names.push(name);
    return '([^/]+)';
  });
  const found = path.match(new RegExp(`^${pattern}$`));
  return found && Object.fromEntries(names.map((name, i) => [name, decodeURIComponent(found[i + 1])]));
}
