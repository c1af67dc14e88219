/** An opener under the test's control: each opened call waits until the test answers it. */
import type { ClientReceiver, ClientStream, HttpOpener, RequestHead, ResetReason } from '@outrigger/engine';
import { HeaderList } from '@outrigger/engine';

export class FakeCall implements ClientStream {
  readonly protocol = 'http/1.1';
  readonly head: RequestHead;
  readonly headOnly: boolean;
  readonly receiver: ClientReceiver;
  readonly chunks: Buffer[] = [];
  ended = false;
  resetReason: ResetReason | undefined;
  readonly paused: string[] = [];
  writable = true;

  constructor(head: RequestHead, headOnly: boolean, receiver: ClientReceiver) {
    this.head = head;
    this.headOnly = headOnly;
    this.receiver = receiver;
  }

  get body(): string {
    return Buffer.concat(this.chunks).toString();
  }

  write(chunk: Uint8Array, start = 0, end: number = chunk.length): boolean {
    this.chunks.push(Buffer.from(chunk.subarray(start, end)));
    return this.writable;
  }

  end(): void {
    this.ended = true;
  }

  reset(reason: ResetReason): void {
    this.resetReason = reason;
  }

  pause(reason: string): void {
    this.paused.push(reason);
  }

  resume(reason: string): void {
    this.paused.splice(this.paused.indexOf(reason), 1);
  }

  answer(status: number, body = '', headers: Readonly<Record<string, string>> = {}): void {
    this.receiver.onHead({ status, headers: HeaderList.of(headers) }, body === '');
    if (body === '') return;
    const bytes = Buffer.from(body);
    this.receiver.onData(bytes, 0, bytes.length);
    this.receiver.onEnd(null);
  }

  refuse(): void {
    this.receiver.onReset({ reason: 'connect', message: 'connection refused', unprocessed: true });
  }
}

export class FakeOpener implements HttpOpener {
  readonly calls: FakeCall[] = [];
  /** Answers each call as it is opened, in a later microtask. */
  auto: ((call: FakeCall) => void) | undefined;

  open(head: RequestHead, end: boolean, receiver: ClientReceiver): ClientStream {
    const call = new FakeCall(head, end, receiver);
    this.calls.push(call);
    const { auto } = this;
    if (auto !== undefined) queueMicrotask(() => auto(call));
    return call;
  }
}

/** Lets everything that is ready to run do so. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}
