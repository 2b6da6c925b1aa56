// PM2: pm2 start deploy/ecosystem.config.cjs && pm2 save && pm2 startup
//
// Build first (make build) and write the settings to .env in the folder above, at
// least REDIS_HOST and DATABASE_URL, so that the processes meet, and SMTP_HOST with
// EMAIL_FROM, without which a worker does not start; then run
// ./bin/schoolbell migrate. SCHOOLBELL_WORKERS sets the number of workers.
const path = require('node:path');

const root = path.resolve(__dirname, '..');

const common = {
  cwd: root,
  script: path.join(root, 'bin', 'schoolbell'),
  interpreter: 'none',
  exec_mode: 'fork',
  autorestart: true,
  exp_backoff_restart_delay: 200,
  kill_timeout: 45000, // longer than SHUTDOWN_GRACE; PM2 sends SIGINT first
};

module.exports = {
  apps: [
    { ...common, name: 'schoolbell-serve', args: 'serve' },
    { ...common, name: 'schoolbell-worker', args: 'worker', instances: Number(process.env.SCHOOLBELL_WORKERS ?? 2) },
  ],
};
