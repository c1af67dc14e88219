/** One nginx proxy hop in front of an app: the peer that invoke is measured against. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../harness/ports.js';
import type { Actor } from '../harness/process.js';
import { command } from '../harness/provision.js';
import { scratchDir } from '../harness/sidecar.js';
import { CONTENDER_CORE, pinned } from './contender.js';

export async function startNginx(protocol: 'grpc' | 'http', appPort: number): Promise<{ actor: Actor; port: number }> {
  const part = await command('nginx', 'nginx-light');
  if (part.value === undefined) throw new Error(part.reason);
  const dir = scratchDir('nginx');
  const port = await freePort();
  const grpc = protocol === 'grpc';
  writeFileSync(
    join(dir, 'nginx.conf'),
    `daemon off;
worker_processes 1;
pid ${dir}/nginx.pid;
error_log stderr notice;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path ${dir}/body;
  proxy_temp_path ${dir}/proxy;
  fastcgi_temp_path ${dir}/fastcgi;
  uwsgi_temp_path ${dir}/uwsgi;
  scgi_temp_path ${dir}/scgi;
  keepalive_requests 1000000000;
  upstream app { server 127.0.0.1:${appPort}; keepalive 256; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port}${grpc ? ' http2' : ''};
    location / { ${grpc ? 'grpc_pass grpc://app;' : 'proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection "";'} }
  }
}
`,
  );
  const actor = pinned(CONTENDER_CORE, part.value, ['-p', dir, '-c', join(dir, 'nginx.conf')]);
  await actor.line(/start worker process \d+|start worker processes/);
  return { actor, port };
}
