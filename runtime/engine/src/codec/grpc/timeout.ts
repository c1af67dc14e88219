/** grpc-timeout: one to eight digits and a unit (gRPC over HTTP/2, "Timeout"). */

const unitMs: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };
const DIGITS_MAX = 8;

/** Milliseconds, or undefined when the value breaks the grammar. */
export function parseTimeout(value: string): number | undefined {
  const digits = value.length - 1;
  if (digits < 1 || digits > DIGITS_MAX) return undefined;
  let count = 0;
  for (let i = 0; i < digits; i++) {
    const digit = value.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return undefined;
    count = count * 10 + digit;
  }
  const unit = unitMs[value[digits] as string];
  return unit === undefined ? undefined : count * unit;
}

/** The finest unit that eight digits hold, rounded up; a timeout that has passed already becomes `1n`. */
export function formatTimeout(timeoutMs: number): string {
  if (!(timeoutMs > 0)) return '1n';
  if (timeoutMs < 100) return `${Math.ceil(timeoutMs * 1000)}u`;
  if (timeoutMs < 1e8) return `${Math.ceil(timeoutMs)}m`;
  if (timeoutMs < 1e11) return `${Math.ceil(timeoutMs / 1000)}S`;
  return `${Math.min(Math.ceil(timeoutMs / 3_600_000), 99_999_999)}H`;
}
