/** Layotto's greeting, which its quick starts and probes call. Without a declared `hellos` component: `greeting, <name>`. */
import { GrpcCode, type GrpcMethod, GrpcStatusError } from '@outrigger/engine';
import type { SayHelloResponse } from '@outrigger/proto/layotto/runtime/v1';
import * as Runtime from '@outrigger/proto/layotto/runtime/v1/runtime';
import { unary } from '../grpc-method.js';

/** The greetings by service name, as `hellos.<name>.hello` of a Layotto configuration declares them. */
export type Greetings = ReadonlyMap<string, string>;

/** What Layotto's own example configurations declare. */
export const DEFAULT_GREETINGS: Greetings = new Map([
  ['helloworld', 'greeting'],
  ['quick_start_demo', 'greeting'],
]);

export function createHelloMethods(greetings: Greetings): GrpcMethod[] {
  return [
    unary(Runtime.sayHello, ({ serviceName, name, data }) => {
      const greeting = greetings.get(serviceName);
      // Layotto's text (ErrNoInstance).
      if (greeting === undefined) throw new GrpcStatusError(GrpcCode.UNKNOWN, 'no instance found');
      const response: SayHelloResponse = {
        $typeName: 'spec.proto.runtime.v1.SayHelloResponse',
        hello: name === '' ? greeting : `${greeting}, ${name}`,
      };
      if (data !== undefined) response.data = data;
      return response;
    }),
  ];
}
