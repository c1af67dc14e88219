/**
 * Server reflection, v1 and v1alpha (https://github.com/grpc/grpc/blob/master/doc/server-reflection.md), so that grpcurl
 * and its like work without a .proto file.
 */
import type { GrpcMethod } from '@outrigger/engine';
import * as ServerReflection from '@outrigger/proto/grpc/reflection/v1/server-reflection';
import { services as protoServices, type ServiceName } from '@outrigger/proto/services';
import { bidi } from '../grpc-method.js';

const V1: ServiceName = 'grpc.reflection.v1.ServerReflection';
const V1_ALPHA: ServiceName = 'grpc.reflection.v1alpha.ServerReflection';

type Answers = ReturnType<typeof import('./reflection-answers.js').createReflectionAnswers>;

/** `services`: those that are told of, besides reflection itself. */
export function reflectionMethods(services: readonly ServiceName[]): GrpcMethod[] {
  let loading: Promise<Answers> | undefined;
  const load = (): Promise<Answers> => {
    loading ??= import('./reflection-answers.js').then(({ createReflectionAnswers }) =>
      createReflectionAnswers([...services, V1, V1_ALPHA]),
    );
    return loading;
  };
  const reflect = bidi(ServerReflection.serverReflectionInfo, async (requests, _call, sink) => {
    const answer = await load();
    for await (const request of requests) await sink.send(answer(request));
  });
  // v1alpha has the same messages under another package: the bytes are equal, so v1's codecs serve both.
  return [reflect, ...protoServices[V1_ALPHA].methods.map(({ path }) => ({ ...reflect, path }))];
}
