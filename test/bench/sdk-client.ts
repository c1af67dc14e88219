/** One client program of the SDK benchmark: GetState, 16 in flight, for three seconds; prints its own CPU per call. */
import { createGrpcTransport } from '@connectrpc/connect-node';
import { CommunicationProtocolEnum, DaprClient } from '@dapr/dapr';
import { createClient } from '@outrigger/sdk';
import { fromConnect } from '@outrigger/sdk/connect';
import { createGrpcJsTransport } from '@outrigger/sdk/grpc-js';

const IN_FLIGHT = 16;
const WARMUP_MS = 1_500;
const MEASURE_MS = 3_000;
const [transport, port] = process.argv.slice(2) as [string, string];
const address = `127.0.0.1:${port}`;

async function getter(): Promise<() => Promise<unknown>> {
  if (transport === 'dapr') {
    const client = new DaprClient({
      daprHost: '127.0.0.1',
      daprPort: port,
      communicationProtocol: CommunicationProtocolEnum.GRPC,
    });
    await client.start();
    return () => client.state.get('statestore', 'key');
  }
  const client =
    transport === 'engine'
      ? createClient({ address })
      : transport === 'grpc-js'
        ? createClient({ transport: createGrpcJsTransport(address) })
        : createClient({ transport: fromConnect(createGrpcTransport({ baseUrl: `http://${address}` })) });
  await client.state().save('key', { some: 'value', of: ['usual', 'size'] });
  return async () => {
    const item = await client.state().get<{ some: string }>('key');
    if (item?.value.some !== 'value') throw new Error('the value is wrong');
  };
}

const get = await getter();
let calls = 0;
let running = true;
const loops = Array.from({ length: IN_FLIGHT }, async () => {
  while (running) {
    await get();
    calls++;
  }
});
await new Promise((resolve) => setTimeout(resolve, WARMUP_MS));
const callsBefore = calls;
const cpuBefore = process.cpuUsage();
await new Promise((resolve) => setTimeout(resolve, MEASURE_MS));
const { user, system } = process.cpuUsage(cpuBefore);
const measured = calls - callsBefore;
running = false;
await Promise.all(loops);
console.log(JSON.stringify({ cpuUs: (user + system) / measured, perSecond: measured / (MEASURE_MS / 1000) }));
process.exit(0);
