/** orders.ts again, on npm `@dapr/dapr` as it is published: the sidecar is the same. */
import { setTimeout as pause } from 'node:timers/promises';
import { CommunicationProtocolEnum, DaprClient, HttpMethod } from '@dapr/dapr';
import { type Order, onceTold, tell } from '../story.js';

const client = new DaprClient({
  daprHost: '127.0.0.1',
  daprPort: process.env['DAPR_GRPC_PORT'] as string,
  communicationProtocol: CommunicationProtocolEnum.GRPC,
});
onceTold(() => client.stop());
await client.start();

const order: Order = { id: 42, item: 'paddle' };

await client.state.save('statestore', [{ key: `order-${order.id}`, value: order }]);
const saved = await client.state.get('statestore', `order-${order.id}`);
tell('state', `saved ${JSON.stringify(order)}, read back ${JSON.stringify(saved)}`);

await client.pubsub.publish('pubsub', 'orders-dapr', order);
tell('event out', `published order ${order.id} to topic 'orders-dapr'`);

let answer = { status: 'unknown' };
while (answer.status === 'unknown') {
  // Both apps start at once: the other one may not be listening yet, which this SDK tells by an error.
  const asked = client.invoker.invoke('shipping', 'where-is', HttpMethod.POST, { id: order.id });
  answer = await asked.then(
    (body) => body as typeof answer,
    () => answer,
  );
  tell('invoke out', `app 'shipping' answers: ${answer.status}`);
  if (answer.status === 'unknown') await pause(200);
}

const { items } = await client.configuration.get('configstore', ['greeting']);
tell('configuration', `greeting is '${items['greeting']?.value ?? '(not set: run the first example before)'}'`);

tell('done', 'the same with an SDK that does not know this sidecar. Ctrl-C ends everything.');
setInterval(() => {}, 60_000);
