/**
 * The app behind this sidecar as a target: takes what another sidecar (or this one, for a call to oneself) sends in wire
 * form and delivers it in the form the app speaks. HTTP to an HTTP app and gRPC to a gRPC app stream through; HTTP and
 * messages to a gRPC app become OnInvoke. Its own errors are responses too, marked as such.
 */
import type { ClientReceiver, ClientStream, HttpOpener, RequestHead } from '@outrigger/engine';
import { GrpcCode, HeaderList } from '@outrigger/engine';
import type { AppChannel } from '../../app/channel.js';
import { fromSidecar } from '../../proxy/header-rules.js';
import type { UpstreamChannel } from '../../stream/connection-pool.js';
import { AnsweredStream } from './answered-stream.js';
import { AppHttpCall } from './app-http-call.js';
import { AppMessageCall } from './app-message-call.js';
import { isSendable, PROTOBUF_CONTENT_TYPE } from './message.js';
import { metadataToHttp } from './metadata-map.js';
import { isSafePath, unsendableEscape } from './method-path.js';
import { rpcErrorText } from './status-map.js';
import {
  channelError,
  errorHead,
  grpcErrorHead,
  KIND_GRPC,
  KIND_HTTP,
  KIND_MESSAGE,
  kindOf,
  WIRE_DATA_TYPE,
} from './wire.js';

export interface AppTargetDeps {
  /** undefined: no app port was given. Looked up for every call: a reload may change it. */
  readonly app: () => AppChannel | undefined;
  readonly messageBytesMax: number;
  /** True for calls to oneself: their errors were not carried over a hop, and read differently. */
  readonly local: boolean;
}

class AppTargetChannel implements UpstreamChannel {
  readonly #deps: AppTargetDeps;

  constructor(deps: AppTargetDeps) {
    this.#deps = deps;
  }

  open(head: RequestHead, end: boolean, receiver: ClientReceiver): ClientStream {
    const kind = kindOf(head) ?? '';
    return kind === KIND_GRPC ? this.#grpc(head, end, receiver) : this.#http(kind, head, end, receiver);
  }

  #http(kind: string, head: RequestHead, end: boolean, receiver: ClientReceiver): ClientStream {
    const { app: find, local, messageBytesMax } = this.#deps;
    const refuse = (code: GrpcCode, message: string): ClientStream =>
      new AnsweredStream(receiver, errorHead(code, message));
    const app = find();
    if (app === undefined) return refuse(GrpcCode.INTERNAL, local ? LOCAL_NO_APP : NO_APP);
    if (!isSafePath(head.path))
      return refuse(GrpcCode.INVALID_ARGUMENT, `invalid method: ${JSON.stringify(head.path)}`);
    const refuseCall = (code: GrpcCode, message: string): ClientStream =>
      local
        ? refuse(code, rpcErrorText(code, message))
        : refuse(GrpcCode.INTERNAL, channelError(rpcErrorText(code, message)));
    if (!app.healthy) return refuseCall(GrpcCode.INTERNAL, 'app is not in a healthy state');

    if (app.grpc !== undefined) {
      return new AppMessageCall({ client: app.grpc, kind, head, end, receiver, messageBytesMax, local });
    }
    const verb = kind.startsWith(KIND_MESSAGE) ? kind.slice(KIND_MESSAGE.length) : head.method;
    if (verb === '') return refuseCall(GrpcCode.INVALID_ARGUMENT, 'missing HTTP extension field');
    if (!isSendable(verb)) return refuseCall(GrpcCode.INVALID_ARGUMENT, 'invalid HTTP verb');
    const broken = unsendableEscape(head.path);
    if (broken !== null) return refuse(GrpcCode.INTERNAL, local ? badEscape(broken) : channelError(badEscape(broken)));
    const flat = fromSidecar(head.headers.flat);
    const headers = new HeaderList(kind === KIND_HTTP ? flat : withContent(metadataToHttp(flat), head));
    const { method, path } = head;
    return new AppHttpCall(app, { method, scheme: 'http', authority: '', path, headers }, end, receiver, local);
  }

  #grpc(head: RequestHead, end: boolean, receiver: ClientReceiver): ClientStream {
    const refuse = (code: GrpcCode, message: string): ClientStream =>
      new AnsweredStream(receiver, grpcErrorHead(code, message));
    const app = this.#deps.app();
    if (app === undefined) return refuse(GrpcCode.INTERNAL, this.#deps.local ? LOCAL_NO_APP : NO_APP);
    if (!isSafePath(head.path))
      return refuse(GrpcCode.INVALID_ARGUMENT, `invalid method: ${JSON.stringify(head.path)}`);
    if (!app.healthy) return refuse(GrpcCode.INTERNAL, 'app is not in a healthy state');
    if (app.protocol === 'http' || app.protocol === 'https') {
      return refuse(
        GrpcCode.UNIMPLEMENTED,
        `the app at ${app.address} speaks HTTP/1.1; gRPC calls need app-protocol grpc or h2c`,
      );
    }
    const { method, path } = head;
    // Servers on gRPC's C core refuse calls without it.
    const headers = new HeaderList(fromSidecar(head.headers.flat)).append('te', 'trailers');
    return (app as HttpOpener).open({ method, scheme: 'http', authority: '', path, headers }, end, receiver);
  }

  drain(): void {}
  close(): void {}
}

const NO_APP = 'app channel is not initialized';
const LOCAL_NO_APP = 'cannot invoke local endpoint: app channel not initialized';
const badEscape = (part: string): string => `invalid URL escape "${part}"`;

/** `metadataToHttp` drops the content fields, which on this hop are the message's own. */
function withContent(flat: string[], { headers }: RequestHead): string[] {
  const contentType = headers.has(WIRE_DATA_TYPE) ? PROTOBUF_CONTENT_TYPE : headers.get('content-type');
  if (contentType !== undefined) flat.push('content-type', contentType);
  const length = headers.get('content-length');
  if (length !== undefined) flat.push('content-length', length);
  return flat;
}

export function createAppTarget(deps: AppTargetDeps): UpstreamChannel {
  return new AppTargetChannel(deps);
}
