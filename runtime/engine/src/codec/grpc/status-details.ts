/**
 * google.rpc.Status for `grpc-status-details-bin`, encoded by hand because the engine depends on no protobuf library:
 * Status { code = 1, message = 2, details = 3 (Any) }, Any { type_url = 1, value = 2 }, and the detail messages of
 * google/rpc/error_details.proto that Dapr attaches.
 */
import type { ErrorDetail, GrpcCode } from '../../base/error.js';

const LENGTH_DELIMITED = 2;
const VARINT = 0;

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 0x7f) {
    bytes.push((rest & 0x7f) | 0x80);
    rest = Math.floor(rest / 128);
  }
  bytes.push(rest);
  return Buffer.from(bytes);
}

function field(number: number, value: Buffer): Buffer {
  return Buffer.concat([varint((number << 3) | LENGTH_DELIMITED), varint(value.length), value]);
}

/** Empty strings are left out, as proto3 does. */
function text(number: number, value: string): Buffer {
  return value === '' ? Buffer.alloc(0) : field(number, Buffer.from(value));
}

function encodeDetail(detail: ErrorDetail): Buffer {
  switch (detail.type) {
    case 'ErrorInfo':
      return Buffer.concat([
        text(1, detail.reason),
        text(2, detail.domain),
        ...Object.entries(detail.metadata).map(([key, value]) =>
          field(3, Buffer.concat([text(1, key), text(2, value)])),
        ),
      ]);
    case 'ResourceInfo':
      return Buffer.concat([
        text(1, detail.resourceType),
        text(2, detail.resourceName),
        text(3, detail.owner),
        text(4, detail.description),
      ]);
    case 'BadRequest':
      return Buffer.concat(
        detail.fieldViolations.map((violation) =>
          field(1, Buffer.concat([text(1, violation.field), text(2, violation.description)])),
        ),
      );
    case 'Help':
      return Buffer.concat(
        detail.links.map((link) => field(1, Buffer.concat([text(1, link.description), text(2, link.url)]))),
      );
  }
}

export function encodeStatusDetails(code: GrpcCode, message: string, details: readonly ErrorDetail[]): Buffer {
  const parts: Buffer[] = [];
  if (code !== 0) parts.push(varint((1 << 3) | VARINT), varint(code));
  parts.push(text(2, message));
  for (const detail of details) {
    const any = Buffer.concat([
      text(1, `type.googleapis.com/google.rpc.${detail.type}`),
      field(2, encodeDetail(detail)),
    ]);
    parts.push(field(3, any));
  }
  return Buffer.concat(parts);
}
