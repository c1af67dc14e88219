/** The app that begins: it uses state, events, invoke and configuration of the sidecar beside it. */
import { setTimeout as pause } from 'node:timers/promises';
import { createClient, GrpcCode, GrpcStatusError } from '@outrigger/sdk';
import { type Order, onceTold, tell } from './story.js';

const client = createClient();
onceTold(() => client.close());
await client.waitForSidecar();

const order: Order = { id: 42, item: 'paddle' };

const state = client.state();
await state.save(`order-${order.id}`, order, { ttlSeconds: 3600 });
const saved = await state.get<Order>(`order-${order.id}`);
tell('state', `saved ${JSON.stringify(order)}, read back ${JSON.stringify(saved?.value)} with etag ${saved?.etag}`);

await client.pubsub().publish('orders', order);
tell('event out', `published order ${order.id} to topic 'orders'`);

type Answer = { readonly status: string };
let answer: Answer = { status: 'unknown' };
while (answer.status === 'unknown') {
  try {
    answer = (await client.invoke('shipping', 'where-is', { id: order.id })).json<Answer>();
    tell('invoke out', `app 'shipping' answers: ${answer.status}`);
  } catch (error) {
    // Both apps start at once: the other one may not be listening yet.
    if (!(error instanceof GrpcStatusError) || error.code !== GrpcCode.UNAVAILABLE) throw error;
  }
  // Events and invokes travel apart: the answer may be asked for before the event has arrived.
  if (answer.status === 'unknown') await pause(200);
}

const configuration = client.configuration();
await configuration.save({ greeting: 'hello' });
tell('configuration', `greeting is '${(await configuration.get(['greeting'])).get('greeting')?.value}'`);
const changed = new Promise<string | undefined>((resolve) => {
  void configuration
    .watch(['greeting'], (items) => resolve(items.get('greeting')?.value))
    .then(async () => {
      await configuration.save({ greeting: 'ahoy' });
    });
});
tell('configuration', `changed while watched: greeting is now '${await changed}'`);

const id = await client.sequencer().next('order-id', { strong: true });
tell('sequencer', `the next order would get id ${id}`);

tell('done', 'that was state, events, invoke, configuration and ids, with nothing installed. Ctrl-C ends everything.');
setInterval(() => {}, 60_000);
