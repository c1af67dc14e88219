/** Which media types get which treatment in an envelope, as components-contrib decides it (contenttype/utils.go). */
import { isUtf8 } from 'node:buffer';

export const CLOUD_EVENT_CONTENT_TYPE = 'application/cloudevents+json';
export const BINARY_CONTENT_TYPE = 'application/octet-stream';

/** Lower case, parameters cut off. */
function mediaTypeOf(contentType: string): string {
  const end = contentType.indexOf(';');
  return (end < 0 ? contentType : contentType.slice(0, end)).toLowerCase();
}

export function isCloudEventType(contentType: string): boolean {
  return mediaTypeOf(contentType) === CLOUD_EVENT_CONTENT_TYPE;
}

export function isJsonType(contentType: string): boolean {
  return mediaTypeOf(contentType) === 'application/json';
}

export function isBinaryType(contentType: string): boolean {
  return mediaTypeOf(contentType) === BINARY_CONTENT_TYPE;
}

export function isTextType(contentType: string): boolean {
  const mediaType = mediaTypeOf(contentType);
  return mediaType.startsWith('text/') || mediaType === 'application/xml';
}

/**
 * True for CloudEvents in protobuf, which an envelope carries as base64. `application/x-protobuf` counts when its bytes
 * are a message in which the string fields of `io.cloudevents.v1.CloudEvent` (1 to 4) are text.
 */
export function isProtobufEvent(contentType: string, data: Uint8Array): boolean {
  const mediaType = mediaTypeOf(contentType);
  if (mediaType === 'application/cloudevents+protobuf') return true;
  return mediaType === 'application/x-protobuf' && isEventMessage(data);
}

function isEventMessage(data: Uint8Array): boolean {
  let at = 0;
  /** The varint at `at`, or -1 when it is cut off or longer than a length or tag can be. */
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = data[at++];
      if (byte === undefined) return -1;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    return -1;
  };
  while (at < data.length) {
    const tag = varint();
    const field = Math.floor(tag / 8);
    if (tag < 0 || field === 0) return false;
    switch (tag % 8) {
      case 0:
        if (varint() < 0) return false;
        break;
      case 1:
        at += 8;
        break;
      case 2: {
        const length = varint();
        if (length < 0 || length > data.length - at) return false;
        if (field <= 4 && !isUtf8(data.subarray(at, at + length))) return false;
        at += length;
        break;
      }
      case 5:
        at += 4;
        break;
      default:
        return false; // groups are not part of proto3
    }
  }
  return at === data.length;
}
