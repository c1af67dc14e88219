/** The interop test service, neutral of who serves it: what each method answers. */
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import {
  PayloadType,
  type ResponseParameters,
  type SimpleRequest,
  type SimpleResponse,
  SimpleResponseSchema,
  type StreamingInputCallRequest,
  type StreamingInputCallResponse,
  StreamingInputCallResponseSchema,
  type StreamingOutputCallRequest,
  type StreamingOutputCallResponse,
  StreamingOutputCallResponseSchema,
} from '../gen/grpc/testing/messages_pb.js';

/** Sent back as initial metadata. */
export const ECHO_INITIAL = 'x-grpc-test-echo-initial';
/** Sent back as trailing metadata. */
export const ECHO_TRAILING = 'x-grpc-test-echo-trailing-bin';

/** A call that the request asks to fail. */
export class EchoedStatus extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

interface AskedStatus {
  readonly responseStatus?: { readonly code: number; readonly message: string } | undefined;
}

function refuseIfAsked({ responseStatus }: AskedStatus): void {
  if (responseStatus !== undefined && responseStatus.code !== 0) {
    throw new EchoedStatus(responseStatus.code, responseStatus.message);
  }
}

function zeros(size: number): MessageInitShape<typeof SimpleResponseSchema>['payload'] {
  return { type: PayloadType.COMPRESSABLE, body: new Uint8Array(size) };
}

export function answerUnary(request: SimpleRequest): SimpleResponse {
  refuseIfAsked(request);
  return create(SimpleResponseSchema, { payload: zeros(request.responseSize) });
}

export async function answerInput(
  requests: AsyncIterable<StreamingInputCallRequest>,
): Promise<StreamingInputCallResponse> {
  let size = 0;
  for await (const { payload } of requests) size += payload?.body.length ?? 0;
  return create(StreamingInputCallResponseSchema, { aggregatedPayloadSize: size });
}

async function* answerEach(parameters: readonly ResponseParameters[]): AsyncGenerator<StreamingOutputCallResponse> {
  for (const { size, intervalUs } of parameters) {
    // The pause that the client asked for; it need not keep the process alive.
    if (intervalUs > 0) await new Promise((resolve) => setTimeout(resolve, intervalUs / 1000).unref());
    yield create(StreamingOutputCallResponseSchema, { payload: zeros(size) });
  }
}

export async function* answerOutput(request: StreamingOutputCallRequest): AsyncGenerator<StreamingOutputCallResponse> {
  refuseIfAsked(request);
  yield* answerEach(request.responseParameters);
}

/** Answers each request at once. */
export async function* answerFullDuplex(
  requests: AsyncIterable<StreamingOutputCallRequest>,
): AsyncGenerator<StreamingOutputCallResponse> {
  for await (const request of requests) yield* answerOutput(request);
}

/** Answers after the last request. */
export async function* answerHalfDuplex(
  requests: AsyncIterable<StreamingOutputCallRequest>,
): AsyncGenerator<StreamingOutputCallResponse> {
  const all: StreamingOutputCallRequest[] = [];
  for await (const request of requests) all.push(request);
  for (const request of all) yield* answerOutput(request);
}
