/**
 * Building block invoke: one app calls another by its id, or an external service, over HTTP or gRPC. Surfaces translate
 * and come in here; from here everything goes through the proxy.
 */
import { hostname, networkInterfaces } from 'node:os';
import { revealed } from '@outrigger/components-core';
import { type Clock, OutriggerError, type ServerStream } from '@outrigger/engine';
import type { HttpEndpointDocument } from '../../config/model.js';
import { fail } from '../../errors.js';
import type { MeshProxy } from '../../proxy/proxy.js';
import type { MetricsRegistry } from '../../telemetry/metrics.js';
import { type InvokeCore, targetOf } from './core.js';
import { allowedHosts } from './external.js';
import { GrpcForward } from './grpc-forward.js';
import { type AnswerError, HttpForward } from './http-forward.js';
import type { HttpTarget } from './http-target.js';
import type { InvokeCall, InvokeMessage, InvokeReply } from './message.js';
import { MessageCall, messageHead } from './message-call.js';
import { methodPath } from './method-path.js';
import { createInvokeMetrics } from './metrics.js';
import { grpcErrorHead } from './wire.js';

export interface InvokeConfig {
  readonly appId: string;
  /** '' when none was given: `default` then, as Dapr's. */
  readonly namespace: string;
  /** Largest message of InvokeService in either direction; streamed bodies have no limit. */
  readonly messageBytesMax: number;
  /** Hosts that absolute URLs may name (`invoke.externalHosts`); undefined: all but link-local and metadata addresses. */
  readonly externalHosts: readonly string[] | undefined;
}

export interface InvokeDeps {
  readonly proxy: MeshProxy;
  readonly clock: Clock;
  readonly metrics: MetricsRegistry;
  /** The HTTPEndpoint documents that this app sees, of the present snapshot. */
  readonly httpEndpoints: () => readonly HttpEndpointDocument[];
  /** Value of a header of such a document that refers to a secret; undefined: not known. */
  readonly endpointSecret?: (document: HttpEndpointDocument, headerName: string) => string | undefined;
}

export interface InvokeBlock {
  /** An HTTP exchange, streamed. Sets `stream.receiver` and sees to the answer; errors go to `answerError`. */
  http(stream: ServerStream, target: HttpTarget, answerError: AnswerError): void;
  /** A gRPC call of any service, proxied to `appId` without being decoded. Errors are gRPC statuses. */
  grpc(stream: ServerStream, appId: string): void;
  /** A message and its reply. Rejects with an OutriggerError of an INVOKE_* row. */
  message(message: InvokeMessage, call: InvokeCall): Promise<InvokeReply>;
}

export function createInvokeBlock(config: InvokeConfig, deps: InvokeDeps): InvokeBlock {
  const { appId, messageBytesMax } = config;
  const namespace = config.namespace === '' ? 'default' : config.namespace;
  const core: InvokeCore = {
    appId,
    namespace,
    messageBytesMax,
    proxy: deps.proxy,
    clock: deps.clock,
    metrics: createInvokeMetrics(deps.metrics, appId),
    forwarded: forwardedFields(),
    rules: {
      namespace,
      endpoint: (name) => deps.httpEndpoints().find((document) => document.name === name),
      endpointHeaders: (document) => endpointHeaders(document, deps),
      allowed: allowedHosts(config.externalHosts),
    },
  };

  return {
    http(stream, { id, method, query, basic }, answerError) {
      const target = targetOf(core, id);
      if (target instanceof OutriggerError) return refuse(stream, target, answerError);
      const path = methodPath(method);
      if (path.error !== undefined) {
        const error = `rpc error: code = InvalidArgument desc = ${path.error}`;
        return refuse(stream, fail('INVOKE_FAILED', { id, error }), answerError);
      }
      if (stream.head.method === 'CONNECT') {
        const error = 'rpc error: code = InvalidArgument desc = invalid HTTP verb';
        return refuse(stream, fail('INVOKE_FAILED', { id, error }), answerError);
      }
      new HttpForward(core, stream, target, answerError).begin(path.path + query, basic);
    },

    grpc(stream, id) {
      const target = targetOf(core, id);
      if (target instanceof OutriggerError || target.kind !== 'app') {
        const error = target instanceof OutriggerError ? String(target.params['error']) : `${id} is not an app id`;
        stream.receiver = droppingReceiver;
        return stream.respond(grpcErrorHead(UNKNOWN, error), true);
      }
      new GrpcForward(core, stream, target).begin();
    },

    message(message, call) {
      return new Promise((resolve, reject) => {
        const target = targetOf(core, call.id);
        if (target instanceof OutriggerError) return reject(target);
        const head = messageHead(core, target, message, call);
        if (typeof head === 'string') return reject(fail('INVOKE_FAILED', { id: call.id, error: head }));
        new MessageCall(core, target, call, resolve, reject).begin(head, message.data);
      });
    },
  };
}

const UNKNOWN = 2;

const droppingReceiver = { onData() {}, onEnd() {}, onReset() {}, onDrain() {} };

function refuse(stream: ServerStream, error: OutriggerError, answerError: AnswerError): void {
  stream.receiver = droppingReceiver;
  answerError(stream, error);
}

function endpointHeaders(document: HttpEndpointDocument, deps: InvokeDeps): string[] {
  const flat: string[] = [];
  for (const { name, value } of document.headers) {
    const text = value === undefined ? deps.endpointSecret?.(document, name) : revealed(value);
    if (text !== undefined) flat.push(name.toLowerCase(), text);
  }
  return flat;
}

/** X-Forwarded-For, X-Forwarded-Host and Forwarded (RFC 7239) as Dapr's callers send them: this host, not its client. */
function forwardedFields(): readonly string[] {
  const host = hostname();
  const address = Object.values(networkInterfaces())
    .flat()
    .find((entry) => entry !== undefined && !entry.internal && entry.family === 'IPv4')?.address;
  const flat: string[] = [];
  const forwarded: string[] = [];
  if (address !== undefined) {
    flat.push('x-forwarded-for', address);
    forwarded.push(`for=${address};by=${address}`);
  }
  if (/^[\w.-]+$/.test(host)) {
    flat.push('x-forwarded-host', host);
    forwarded.push(`host=${host}`);
  }
  if (forwarded.length > 0) flat.push('forwarded', forwarded.join(';'));
  return flat;
}
