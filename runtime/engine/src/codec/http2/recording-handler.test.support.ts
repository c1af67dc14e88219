/** An HttpHandler for tests: keeps what happens on each stream as words, and lets the test answer. */
import { HeaderList } from '../http/headers.js';
import type { HttpHandler, ServerStream } from '../http/stream.js';

export interface RecordedStream {
  readonly stream: ServerStream;
  readonly events: string[];
  body: string;
}

export interface Recording {
  readonly handler: HttpHandler;
  readonly streams: RecordedStream[];
  /** The stream opened last. */
  readonly last: RecordedStream;
}

/** `answer` runs when the request has ended; default: nothing. */
export function recordStreams(answer: (recorded: RecordedStream) => void = () => {}): Recording {
  const streams: RecordedStream[] = [];
  const handler: HttpHandler = (stream) => {
    const recorded: RecordedStream = { stream, events: [], body: '' };
    streams.push(recorded);
    const { events } = recorded;
    stream.receiver = {
      onData: (chunk, start, end) => {
        recorded.body += chunk.toString('latin1', start, end);
        events.push(`data ${end - start}`);
      },
      onEnd: (trailers) => {
        events.push(trailers === null ? 'end' : `end ${trailers.flat.join(' ')}`);
        answer(recorded);
      },
      onReset: (reset) => events.push(`reset ${reset.reason}`),
      onDrain: () => events.push('drain'),
    };
  };
  return {
    handler,
    streams,
    get last() {
      return streams[streams.length - 1] as RecordedStream;
    },
  };
}

export function respondHello(recorded: RecordedStream): void {
  recorded.stream.respond({ status: 200, headers: HeaderList.of({ 'content-type': 'text/plain' }) }, false);
  recorded.stream.write(Buffer.from('hello'));
  recorded.stream.end();
}
