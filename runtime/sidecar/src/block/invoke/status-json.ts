/** A gRPC app's error as an HTTP caller sees it: google.rpc.Status in JSON, as Dapr answers it. */
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

/** `details`: encoded google.rpc.Status. Details of types that are not known here are left out. */
export function statusJson(code: number, message: string, details: Uint8Array | undefined): string {
  const status: { code: number; message?: string; details?: unknown[] } = { code };
  if (message !== '') status.message = message;
  const shown = details === undefined ? [] : detailsJson(details);
  if (shown.length > 0) status.details = shown;
  return JSON.stringify(status);
}

function detailsJson(encoded: Uint8Array): unknown[] {
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
