import type { DescMessage, DescMethod, DescService, MessageShape } from '@bufbuild/protobuf';
import { codecOf } from './codec-of.js';
import type { MethodInfo, MethodKind } from './message-codec.js';

/** The table of a service: `methodsOf(Dapr).getState.path` is `/dapr.proto.runtime.v1.Dapr/GetState`. */
export type ServiceMethods<Service extends DescService> = {
  readonly [Name in keyof Service['method']]: MethodInfo<
    MessageShape<InputOf<Service['method'][Name]>>,
    MessageShape<OutputOf<Service['method'][Name]>>
  >;
};

type InputOf<Method> = Method extends { input: infer Input extends DescMessage } ? Input : never;
type OutputOf<Method> = Method extends { output: infer Output extends DescMessage } ? Output : never;

const kinds: Record<DescMethod['methodKind'], MethodKind> = {
  unary: 'unary',
  client_streaming: 'client-stream',
  server_streaming: 'server-stream',
  bidi_streaming: 'bidi',
};

const tables = new WeakMap<DescService, ServiceMethods<DescService>>();

/** Every method of a protobuf-es service by its local name (`getState`), with the fastest codecs there are. */
export function methodsOf<Service extends DescService>(service: Service): ServiceMethods<Service> {
  let table = tables.get(service);
  if (table === undefined) {
    table = Object.fromEntries(service.methods.map((method) => [method.localName, methodOf(method)]));
    tables.set(service, table);
  }
  return table as ServiceMethods<Service>;
}

function methodOf(method: DescMethod): MethodInfo<MessageShape<DescMessage>, MessageShape<DescMessage>> {
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    kind: kinds[method.methodKind],
    request: codecOf(method.input),
    response: codecOf(method.output),
  };
}
