/** HTTP requests and messages to a gRPC app: collected, delivered by AppCallback.OnInvoke, the reply given back in the caller's form. */
import {
  type ClientReceiver,
  type ClientStream,
  type GrpcClient,
  GrpcCode,
  GrpcStatusError,
  HeaderList,
  Metadata,
  type PauseReason,
  type RequestHead,
  type ResponseHead,
} from '@outrigger/engine';
import type { InvokeRequest, InvokeResponse } from '@outrigger/proto/dapr/common/v1';
import { HTTPExtension_Verb } from '@outrigger/proto/dapr/common/v1/enums';
import * as AppCallback from '@outrigger/proto/dapr/runtime/v1/app-callback';
import { fromSidecar, fromUpstream } from '../../proxy/header-rules.js';
import { PROTOBUF_CONTENT_TYPE } from './message.js';
import { fieldValue, httpToMetadata, metadataToHttp, passMetadata } from './metadata-map.js';
import { percentDecode, utf8 } from './method-path.js';
import { statusJson } from './status-json.js';
import { httpStatusOf, rpcErrorText } from './status-map.js';
import {
  channelError,
  decodeText,
  encodeText,
  errorHead,
  KIND_MESSAGE,
  WIRE_DATA_TYPE,
  WIRE_DETAILS,
  WIRE_MESSAGE,
  WIRE_REPLY,
  WIRE_STATUS,
} from './wire.js';

export interface AppMessageCallParts {
  readonly client: GrpcClient;
  readonly kind: string;
  readonly head: RequestHead;
  readonly end: boolean;
  readonly receiver: ClientReceiver;
  readonly messageBytesMax: number;
  readonly local: boolean;
}

export class AppMessageCall implements ClientStream {
  readonly protocol = 'h2' as const;
  readonly writable = true;
  readonly #parts: AppMessageCallParts;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #over = false;
  #sent = false;
  #abort: AbortController | null = null;
  #headers: HeaderList = new HeaderList();
  #trailers: HeaderList = new HeaderList();
  #replyBody: Buffer | null = null;
  #replyTrailers: HeaderList | null = null;
  /** Pauses in force, by number: all reasons hold alike. */
  #pauses = 0;

  constructor(parts: AppMessageCallParts) {
    this.#parts = parts;
    if (parts.end) this.end();
  }

  write(chunk: Uint8Array, start: number = 0, end: number = chunk.length): boolean {
    if (this.#over || this.#sent) return true;
    this.#bytes += end - start;
    const { messageBytesMax } = this.#parts;
    if (this.#bytes > messageBytesMax) {
      this.#chunks = [];
      const text = `the request is larger than ${messageBytesMax} bytes (max-body-size)`;
      this.#sent = true;
      queueMicrotask(() => this.#refuse(GrpcCode.RESOURCE_EXHAUSTED, text));
      return true;
    }
    this.#chunks.push(Buffer.from(chunk.subarray(start, end)));
    return true;
  }

  end(): void {
    if (this.#over || this.#sent) return;
    this.#sent = true;
    const body = this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks);
    this.#chunks = [];
    void this.#call(body);
  }

  reset(): void {
    this.#over = true;
    this.#chunks = [];
    this.#replyBody = null;
    this.#abort?.abort();
  }

  pause(_reason: PauseReason): void {
    this.#pauses++;
  }

  resume(_reason: PauseReason): void {
    if (this.#pauses > 0 && --this.#pauses === 0) this.#sendBody();
  }

  async #call(body: Buffer): Promise<void> {
    const { client } = this.#parts;
    this.#abort = new AbortController();
    try {
      const reply = await client.unary(AppCallback.onInvoke, this.#request(body), {
        metadata: this.#metadata(),
        signal: this.#abort.signal,
        onMetadata: (metadata) => {
          this.#headers = metadata.fields;
        },
        onTrailers: (metadata) => {
          this.#trailers = metadata.fields;
        },
      });
      if (!this.#over) this.#answer(reply);
    } catch (error) {
      if (this.#over) return;
      if (error instanceof GrpcStatusError) await this.#fail(error);
      else this.#refuse(GrpcCode.INTERNAL, error instanceof Error ? error.message : String(error));
    }
  }

  #request(body: Buffer): InvokeRequest {
    const { kind, head } = this.#parts;
    const mark = head.path.indexOf('?');
    const path = mark < 0 ? head.path : head.path.slice(0, mark);
    const verb = kind.startsWith(KIND_MESSAGE) ? kind.slice(KIND_MESSAGE.length) : head.method;
    const typeUrl = decodeText(head.headers.get(WIRE_DATA_TYPE));
    const request: InvokeRequest = {
      $typeName: 'dapr.proto.common.v1.InvokeRequest',
      method: utf8(percentDecode(path.slice(1)) ?? ''),
      contentType: head.headers.get('content-type') ?? '',
      data: { $typeName: 'google.protobuf.Any', typeUrl, value: body },
    };
    if (verb !== '') {
      request.httpExtension = {
        $typeName: 'dapr.proto.common.v1.HTTPExtension',
        verb: verbOf(verb),
        querystring: mark < 0 ? '' : head.path.slice(mark + 1),
      };
    }
    return request;
  }

  #metadata(): Metadata {
    const flat = fromSidecar(this.#parts.head.headers.flat);
    return new Metadata(new HeaderList(this.#isMessage ? passMetadata(flat) : httpToMetadata(flat)));
  }

  get #isMessage(): boolean {
    return this.#parts.kind.startsWith(KIND_MESSAGE);
  }

  #answer(reply: InvokeResponse): void {
    const typeUrl = reply.data?.typeUrl ?? '';
    const value = reply.data?.value ?? new Uint8Array(0);
    const body = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    const contentType = fieldValue(typeUrl === '' ? reply.contentType : PROTOBUF_CONTENT_TYPE);
    const fields = this.#replyFields();
    if (contentType !== undefined && contentType !== '') fields.push('content-type', contentType);
    fields.push('content-length', String(body.length));
    if (this.#isMessage) {
      // The content type that the app gave is part of the message, even beside a type of the data.
      const own = fieldValue(reply.contentType);
      const headers = new HeaderList(fields);
      headers.delete('content-type');
      if (own !== undefined && own !== '') headers.append('content-type', own);
      headers.append(WIRE_REPLY, 'grpc').append(WIRE_STATUS, '0').append(WIRE_DATA_TYPE, encodeText(typeUrl));
      this.#reply({ status: 200, headers }, body, new HeaderList(passMetadata(this.#trailers.flat)));
      return;
    }
    this.#reply({ status: 200, headers: new HeaderList(fields) }, body, null);
  }

  /** The app's own error: an answer, not a failure of the way. */
  async #fail(error: GrpcStatusError): Promise<void> {
    const fields = this.#replyFields();
    if (this.#isMessage) {
      const headers = new HeaderList(fields);
      headers.append(WIRE_REPLY, 'grpc').append(WIRE_STATUS, String(error.code));
      headers.append(WIRE_MESSAGE, encodeText(error.message));
      if (error.details !== undefined) headers.append(WIRE_DETAILS, Buffer.from(error.details).toString('base64'));
      const trailers = new HeaderList(passMetadata(this.#trailers.flat));
      this.#reply({ status: 200, headers }, Buffer.alloc(0), trailers);
      return;
    }
    const body = Buffer.from(await statusJson(error.code, error.message, error.details));
    if (this.#over) return;
    fields.push('content-type', 'application/json', 'content-length', String(body.length));
    this.#reply({ status: httpStatusOf(error.code), headers: new HeaderList(fields) }, body, null);
  }

  /** Header metadata of the app, in the caller's form. */
  #replyFields(): string[] {
    const flat = fromUpstream(this.#headers.flat);
    return this.#isMessage ? passMetadata(flat) : metadataToHttp(flat);
  }

  #refuse(code: GrpcCode, message: string): void {
    if (this.#over) return;
    this.#over = true;
    const text = rpcErrorText(code, message);
    this.#parts.receiver.onHead(
      errorHead(this.#parts.local ? code : GrpcCode.INTERNAL, this.#parts.local ? text : channelError(text)),
      true,
    );
  }

  #reply(head: ResponseHead, body: Buffer, trailers: HeaderList | null): void {
    const { receiver } = this.#parts;
    const tail = trailers !== null && trailers.size > 0 ? trailers : null;
    const headless = this.#parts.head.method === 'HEAD' && !this.#isMessage;
    if (headless || (body.length === 0 && tail === null)) {
      this.#over = true;
      receiver.onHead(head, true);
      return;
    }
    this.#replyBody = body;
    this.#replyTrailers = tail;
    receiver.onHead(head, false);
    if (this.#pauses === 0) this.#sendBody();
  }

  /** The whole body in one piece: it is bounded by the message limit, and in memory already. */
  #sendBody(): void {
    const body = this.#replyBody;
    if (body === null || this.#over) return;
    this.#replyBody = null;
    const { receiver } = this.#parts;
    if (body.length > 0) receiver.onData(body, 0, body.length);
    if (this.#over) return;
    this.#over = true;
    receiver.onEnd(this.#replyTrailers);
  }
}

/** Dapr delivers a verb that its protocol has no number for as POST. */
function verbOf(verb: string): HTTPExtension_Verb {
  const known = (HTTPExtension_Verb as unknown as Record<string, HTTPExtension_Verb | undefined>)[verb.toUpperCase()];
  return typeof known === 'number' ? known : HTTPExtension_Verb.POST;
}
