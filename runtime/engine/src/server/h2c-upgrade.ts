/** `Upgrade: h2c` (RFC 7540 §3.2): the request that asks becomes stream 1 of an HTTP/2 connection. */

import { collectBody, respondText } from '../codec/http/respond.js';
import type { Http1ServerStream } from '../codec/http1/server-stream.js';
import type { Transport } from '../network/transport.js';

/** Identifiers and ranges of RFC 9113 §6.5.2. */
const ENABLE_PUSH = 2;
const INITIAL_WINDOW_SIZE = 4;
const MAX_FRAME_SIZE = 5;
const SETTING_BYTES = 6;
const SETTINGS_MAX = 32;
const WINDOW_MAX = 0x7fffffff;
const FRAME_BYTES_MIN = 16_384;
const FRAME_BYTES_MAX = 16_777_215;

export interface UpgradedRequest {
  readonly stream: Http1ServerStream;
  /** Payload of the SETTINGS frame that the client sent in HTTP2-Settings; checked. */
  readonly settings: Buffer;
  readonly body: Buffer | null;
}

/**
 * Switches when the request asks for h2c, is sound and its body is at most `bodyBytesMax` of declared length; then
 * `takeOver` must give the transport its new receiver. False: serve it as HTTP/1.1. A request whose settings are broken
 * is answered 400, which counts as switched.
 */
export function upgradeToH2c(
  stream: Http1ServerStream,
  bodyBytesMax: number,
  takeOver: (request: UpgradedRequest, transport: Transport) => void,
): boolean {
  if (!asksForH2c(stream.upgrade) || stream.http2Settings === null || stream.tls !== null) return false;
  // The client may not send its preface before its body: a body we do not want to hold is served as HTTP/1.1.
  if (!stream.headOnly && !(Number(stream.head.headers.get('content-length')) <= bodyBytesMax)) return false;
  const settings = decodeSettings(stream.http2Settings);
  if (settings === null) {
    respondText(stream, 400, 'HTTP2-Settings is not the payload of a valid SETTINGS frame\n');
    return true;
  }
  const accept = (body: Buffer | null): void => {
    stream.acceptUpgrade('h2c', null, (transport) => takeOver({ stream, settings, body }, transport));
  };
  if (stream.headOnly) accept(null);
  else {
    collectBody(stream, bodyBytesMax, (error, body) => {
      // An interrupted body ends with its connection: there is nobody to answer.
      if (error === null) accept(body);
    });
  }
  return true;
}

function asksForH2c(upgrade: string | null): boolean {
  if (upgrade === null) return false;
  if (upgrade === 'h2c') return true;
  return upgrade.split(',').some((protocol) => protocol.trim().toLowerCase() === 'h2c');
}

/** The bytes of a base64url SETTINGS payload, or null when that is not what it is. */
export function decodeSettings(field: string): Buffer | null {
  if (!/^[\w-]*={0,2}$/.test(field)) return null;
  const settings = Buffer.from(field, 'base64url');
  if (settings.length % SETTING_BYTES !== 0 || settings.length > SETTINGS_MAX * SETTING_BYTES) return null;
  for (let at = 0; at < settings.length; at += SETTING_BYTES) {
    const value = settings.readUInt32BE(at + 2);
    switch (settings.readUInt16BE(at)) {
      case ENABLE_PUSH:
        if (value > 1) return null;
        break;
      case INITIAL_WINDOW_SIZE:
        if (value > WINDOW_MAX) return null;
        break;
      case MAX_FRAME_SIZE:
        if (value < FRAME_BYTES_MIN || value > FRAME_BYTES_MAX) return null;
        break;
      default:
    }
  }
  return settings;
}
