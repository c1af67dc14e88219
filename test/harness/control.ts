/** What driver programs in other languages ask the test for: to write configuration, to wait for subscriptions. */
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { createClient } from '@outrigger/sdk';
import type { Sidecar } from './sidecar.js';

const SUBSCRIBED_TIMEOUT_MS = 30_000;

export interface Control {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * `POST /configuration/{key}` saves the body under the key; `POST /subscribed` answers when the sidecar knows the
 * subscriptions of its app. Both answer 204, or 500 with the reason.
 */
export async function startControl(sidecar: Sidecar, apiToken?: string): Promise<Control> {
  const client = createClient({
    address: `127.0.0.1:${sidecar.grpcPort}`,
    ...(apiToken !== undefined && { apiToken }),
  });
  const answer = async (path: string, body: string): Promise<void> => {
    const key = path.match(/^\/configuration\/(.+)$/)?.[1];
    if (key !== undefined) return client.configuration().save({ [key]: body });
    if (path === '/subscribed') return subscribed(sidecar, apiToken);
    throw new Error(`no such control: ${path}`);
  };
  const server = createServer((request, response) => {
    text(request)
      .then((body) => answer(request.url as string, body))
      .then(
        () => response.writeHead(204).end(),
        (error: Error) => response.writeHead(500).end(error.message),
      );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return {
    url: `http://127.0.0.1:${port}`,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await client.close();
    },
  };
}

/** Resolves when the metadata of the sidecar lists a subscription. */
export async function subscribed(sidecar: Sidecar, apiToken?: string): Promise<void> {
  const headers: Record<string, string> = apiToken === undefined ? {} : { 'dapr-api-token': apiToken };
  const deadline = performance.now() + SUBSCRIBED_TIMEOUT_MS;
  for (;;) {
    // The sidecar may not listen yet: an app starts beside it.
    const metadata = await fetch(`${sidecar.http}/v1.0/metadata`, { headers })
      .then((response) => response.json() as Promise<{ subscriptions?: unknown[] }>)
      .catch((): { subscriptions?: unknown[] } => ({}));
    if ((metadata.subscriptions?.length ?? 0) > 0) return;
    if (performance.now() > deadline) throw new Error(`the sidecar has no subscription:\n${sidecar.actor.output}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
