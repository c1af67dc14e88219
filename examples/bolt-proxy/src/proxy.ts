/**
 * Forwards Bolt, Dubbo or plain TCP to one host. Unlike the sidecar it has no routes, no filters and no metrics endpoint:
 * it shows what the engine does alone.
 */
import {
  BoltProtocol,
  connect,
  DubboProtocol,
  listen,
  RpcForwarder,
  type Transport,
  tunnelTo,
} from '@outrigger/engine';

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface Proxy {
  readonly port: number;
  /** One line about what went through. */
  describe(): string;
  close(): Promise<void>;
}

export async function startProxy(protocol: string, from: Address, to: Address): Promise<Proxy> {
  const dial = (): Promise<Transport> => connect(to);
  if (protocol === 'tcp') {
    const listener = await listen(from, (transport) => tunnelTo(transport, dial));
    return {
      port: listener.address.port,
      describe: () => `${listener.connections.size} connections`,
      close: () => listener.close(),
    };
  }
  // One more protocol is one more object here.
  const protocols = [new BoltProtocol(), new DubboProtocol()];
  const found = protocols.find(({ name }) => name === protocol);
  if (found === undefined) throw new Error(`${protocol} is not one of bolt, dubbo, tcp`);
  const forwarder = new RpcForwarder({ connections: 2 }, { protocol: found, dial });
  const listener = await listen(from, (transport) => forwarder.accept(transport));
  return {
    port: listener.address.port,
    describe: () => {
      const { connections, requests, oneways, responses, responsesFailed, failures, upstreamConnections } =
        forwarder.counters;
      return (
        `${connections} connections with ${requests} requests and ${oneways} oneway, over ${upstreamConnections} upstream; ` +
        `${responses} answers (${responsesFailed} report a failure), ${failures} refused here`
      );
    },
    close: async () => {
      await listener.close();
      forwarder.close();
    },
  };
}
