import type { ResetReason, StreamReceiver } from '../http/stream.js';
import { ErrorCode } from './constants.js';

/** Takes what nobody wants any more. */
export const deafReceiver: StreamReceiver & { onHead(): void } = {
  onHead: () => {},
  onData: () => {},
  onEnd: () => {},
  onReset: () => {},
  onDrain: () => {},
};

const codes: Record<ResetReason, number> = {
  cancel: ErrorCode.CANCEL,
  refused: ErrorCode.REFUSED_STREAM,
  protocol: ErrorCode.PROTOCOL_ERROR,
  'too-large': ErrorCode.ENHANCE_YOUR_CALM,
  'flow-control': ErrorCode.FLOW_CONTROL_ERROR,
  internal: ErrorCode.INTERNAL_ERROR,
  connect: ErrorCode.INTERNAL_ERROR,
  'connection-lost': ErrorCode.INTERNAL_ERROR,
  timeout: ErrorCode.CANCEL,
  'no-error': ErrorCode.NO_ERROR,
};

export function codeOfReason(reason: ResetReason): number {
  return codes[reason];
}

export function reasonOfCode(code: number): ResetReason {
  switch (code) {
    case ErrorCode.NO_ERROR:
      return 'no-error';
    case ErrorCode.CANCEL:
      return 'cancel';
    case ErrorCode.REFUSED_STREAM:
      return 'refused';
    case ErrorCode.ENHANCE_YOUR_CALM:
      return 'too-large';
    case ErrorCode.FLOW_CONTROL_ERROR:
      return 'flow-control';
    case ErrorCode.INTERNAL_ERROR:
    case ErrorCode.CONNECT_ERROR:
      return 'internal';
    default:
      return 'protocol';
  }
}

const names: readonly string[] = Object.keys(ErrorCode);

export function codeName(code: number): string {
  return names[code] ?? `error ${code}`;
}
