/** The client's side of one HTTP/2 exchange. */
import type { ClientReceiver, ClientStream } from '../http/stream.js';
import type { Http2ClientConnection } from './client-connection.js';
import { Http2Stream } from './stream.js';

export class Http2ClientStream extends Http2Stream implements ClientStream {
  declare receiver: ClientReceiver;
  /** The final response head has come. */
  headSeen = false;
  /** A HEAD request: its response has a content-length and no body. */
  readonly bodiless: boolean;

  constructor(connection: Http2ClientConnection, id: number, receiver: ClientReceiver, bodiless: boolean) {
    super(connection, id);
    this.receiver = receiver;
    this.bodiless = bodiless;
  }
}
