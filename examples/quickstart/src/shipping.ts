/** The app that others call: it receives the events of the topic `orders` and answers the method `where-is`. */
import { createApp } from '@outrigger/sdk';
import { type Order, onceTold, tell } from './story.js';

const shipped = new Map<number, string>();

const app = createApp()
  .subscribe('pubsub', 'orders', ({ data }) => {
    const order = data.json<Order>();
    shipped.set(order.id, order.item);
    tell('event in', `order ${order.id} (${order.item}) arrived on topic 'orders': packed`);
  })
  .method('where-is', ({ body }) => {
    const { id } = body.json<{ id: number }>();
    const item = shipped.get(id);
    tell('invoke in', `somebody asks where order ${id} is`);
    return item === undefined ? { id, status: 'unknown' } : { id, status: `${item} is on the truck` };
  });

await app.start();
onceTold(() => app.stop());
