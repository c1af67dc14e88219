/** `node dist/main.js [bolt|dubbo|tcp] [listen] [upstream]` */
import { type Address, startProxy } from './proxy.js';

function parseAddress(text: string): Address {
  const [, host, port] = text.match(/^(.+):(\d+)$/) ?? [];
  if (host === undefined) throw new Error(`${text} is no address; write host:port`);
  return { host, port: Number(port) };
}

const [protocol = 'bolt', from = '127.0.0.1:12220', to = '127.0.0.1:12200'] = process.argv.slice(2);
const proxy = await startProxy(protocol, parseAddress(from), parseAddress(to));
console.log(`${protocol}: ${from} → ${to}. Ctrl-C ends it.`);
process.once('SIGINT', () => {
  console.log(proxy.describe());
  proxy.close().then(() => process.exit(0));
});
