/**
 * HTTP invoke. `/v1.0/invoke/…` is a route like any other; and because a caller may address an app by header
 * `dapr-app-id` (or Basic user) on any path, whatever no other route serves comes here too.
 */
import { afterRequest, type HttpHandler, respondText } from '@outrigger/engine';
import type { InvokeBlock } from '../../block/invoke/block.js';
import type { AnswerError } from '../../block/invoke/http-forward.js';
import { httpTarget } from '../../block/invoke/http-target.js';
import { fail } from '../../errors.js';
import type { HttpRoute } from './route.js';

export interface HttpInvokeDeps {
  readonly invoke: InvokeBlock;
  /** Answers an exchange, whose response has not begun, with Dapr's JSON. */
  readonly answerError: AnswerError;
}

/** Of a request that nobody wants, what is read before it is answered. */
const UNWANTED_BODY_BYTES_MAX = 64 * 1024;

/** Serves an exchange that addresses an app in any of the three forms; else answers 404 ERR_DIRECT_INVOKE, as Dapr does on every unknown path. */
export function createInvokeFallback({ invoke, answerError }: HttpInvokeDeps): HttpHandler {
  return (stream) => {
    const target = httpTarget(stream.head.path, stream.head.headers);
    if (target !== null && target !== 'malformed') return invoke.http(stream, target, answerError);
    afterRequest(stream, UNWANTED_BODY_BYTES_MAX, () => {
      if (target === 'malformed') respondText(stream, 400, '400 Bad Request: malformed percent-encoding in the path');
      else answerError(stream, fail('INVOKE_NO_APP_ID'));
    });
  };
}

/** The row of the route table; `*` is every method. */
export function invokeRoutes(deps: HttpInvokeDeps): readonly HttpRoute[] {
  const handle = createInvokeFallback(deps);
  return [
    {
      methods: ['*'],
      pattern: '/v1.0/invoke/{target…}',
      api: 'invoke',
      version: 'v1.0',
      body: 'stream',
      handle: (call) => handle(call.stream),
    },
  ];
}
