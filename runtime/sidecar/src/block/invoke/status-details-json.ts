/** The details of a google.rpc.Status in JSON. Load with import(): the descriptors that it takes are dear. */
import { createRegistry, fromBinary, toJson } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import {
  BadRequestSchema,
  DebugInfoSchema,
  ErrorInfoSchema,
  HelpSchema,
  LocalizedMessageSchema,
  PreconditionFailureSchema,
  QuotaFailureSchema,
  RequestInfoSchema,
  ResourceInfoSchema,
  RetryInfoSchema,
  StatusSchema,
} from '@outrigger/proto/google/rpc';

const registry = createRegistry(
  BadRequestSchema,
  DebugInfoSchema,
  ErrorInfoSchema,
  HelpSchema,
  LocalizedMessageSchema,
  PreconditionFailureSchema,
  QuotaFailureSchema,
  RequestInfoSchema,
  ResourceInfoSchema,
  RetryInfoSchema,
);

/** `encoded`: a google.rpc.Status. Details of types that are not known here are left out. */
export function detailsJson(encoded: Uint8Array): unknown[] {
  try {
    const shown: unknown[] = [];
    for (const any of fromBinary(StatusSchema, encoded).details) {
      const message = anyUnpack(any, registry);
      const schema = message === undefined ? undefined : registry.getMessage(message.$typeName);
      if (message === undefined || schema === undefined) continue;
      shown.push({ '@type': any.typeUrl, ...(toJson(schema, message, { registry }) as object) });
    }
    return shown;
  } catch {
    return [];
  }
}
