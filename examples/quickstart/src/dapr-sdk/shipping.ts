/** shipping.ts again, on npm `@dapr/dapr` as it is published: the sidecar is the same. */
import { CommunicationProtocolEnum, DaprServer } from '@dapr/dapr';
import { type Order, onceTold, tell } from '../story.js';

const shipped = new Map<number, string>();
const server = new DaprServer({
  serverHost: '127.0.0.1',
  serverPort: process.env['APP_PORT'] as string,
  communicationProtocol: CommunicationProtocolEnum.GRPC,
  clientOptions: { daprHost: '127.0.0.1', daprPort: process.env['DAPR_GRPC_PORT'] as string },
});

await server.pubsub.subscribe('pubsub', 'orders-dapr', async (order: Order) => {
  shipped.set(order.id, order.item);
  tell('event in', `order ${order.id} (${order.item}) arrived on topic 'orders-dapr': packed`);
});
await server.invoker.listen('where-is', async (request) => {
  const { id } = JSON.parse(request.body ?? '{}') as { id: number };
  const item = shipped.get(id);
  tell('invoke in', `somebody asks where order ${id} is`);
  return item === undefined ? { id, status: 'unknown' } : { id, status: `${item} is on the truck` };
});
await server.start();
onceTold(() => server.stop());
