/** A Bolt service, the proxy before it, and a client, all on the engine: three calls, and what the proxy saw. */
import {
  BoltProtocol,
  connect,
  headerKey,
  listen,
  RpcClientConnection,
  RpcServerConnection,
  type RpcServerHandler,
} from '@outrigger/engine';
import { startProxy } from './proxy.js';

const bolt = new BoltProtocol();
const loopback = { host: '127.0.0.1', port: 0 };

/** A Bolt v1 frame: type, command, id, what stands in the place of timeout or status, header map, content. */
function encode(type: number, command: number, id: number, place: Buffer, headers: string[], content: string): Buffer {
  const map = Buffer.concat(
    headers.map((text) => {
      const length = Buffer.alloc(4);
      length.writeInt32BE(Buffer.byteLength(text));
      return Buffer.concat([length, Buffer.from(text)]);
    }),
  );
  const head = Buffer.from([1, type, 0, command, 1, 0, 0, 0, 0, 1]);
  head.writeInt32BE(id, 5);
  const lengths = Buffer.alloc(8);
  lengths.writeUInt16BE(map.length, 2);
  lengths.writeUInt32BE(Buffer.byteLength(content), 4);
  return Buffer.concat([head, place, lengths, map, Buffer.from(content)]);
}

const SUCCESS = Buffer.alloc(2);
const THREE_SECONDS = Buffer.from([0, 0, 0x0b, 0xb8]);

/** Says hello to whoever asks, and fails by SOFARPC's rule (status 0, a header) for `nobody`. */
const service: RpcServerHandler = {
  onRequest(connection, frame) {
    const who = frame.buffer.toString('utf8', frame.headerEnd, frame.end);
    const method = bolt.header(frame, headerKey('sofa_head_method_name')) ?? '?';
    console.log(`service        ${method}(${who}) arrived under id ${frame.id}`);
    const headers = who === 'nobody' ? ['sofa_head_response_error', 'true'] : [];
    const answer = encode(0, 2, frame.id, SUCCESS, headers, who === 'nobody' ? 'there is nobody' : `hello, ${who}`);
    connection.reply(answer, 0, answer.length);
  },
  onClosed: () => {},
};

const backend = await listen(loopback, (transport) => {
  new RpcServerConnection(transport, bolt, service);
});
const proxy = await startProxy('bolt', loopback, { host: '127.0.0.1', port: backend.address.port });

const names = ['world', 'nobody', 'paddler'];
await new Promise<void>((resolve, reject) => {
  let left = names.length;
  connect({ host: '127.0.0.1', port: proxy.port }).then((transport) => {
    const client = new RpcClientConnection(transport, bolt, {
      onResponse(frame) {
        const text = frame.buffer.toString('utf8', frame.headerEnd, frame.end);
        console.log(
          `client         answer to call ${frame.id}: ${text} (${bolt.succeeded(frame) ? 'good' : 'a failure'})`,
        );
        if (--left === 0) client.end();
      },
      onGoaway: () => {},
      onDrain: () => {},
      onClosed: (error) => (left === 0 ? resolve() : reject(error ?? new Error('closed too early'))),
    });
    names.forEach((name, i) => {
      const headers = ['service', 'hello:1.0', 'sofa_head_method_name', 'sayHello'];
      const request = encode(1, 1, 101 + i, THREE_SECONDS, headers, name);
      client.send(request, 0, request.length);
    });
  }, reject);
});
console.log(`proxy          ${proxy.describe()}`);
await proxy.close();
await backend.close();
