/** The name of a header with its bytes beside it, made once where routes are compiled and compared per frame. */
export interface HeaderKey {
  readonly name: string;
  readonly bytes: Buffer;
}

export function headerKey(name: string): HeaderKey {
  return { name, bytes: Buffer.from(name, 'utf8') };
}

export function equalsKey(key: HeaderKey, buffer: Buffer, start: number, end: number): boolean {
  const { bytes } = key;
  if (end - start !== bytes.length) return false;
  // From the back: names of one protocol begin alike (sofa_head_…, rpc_trace_context.…).
  for (let i = bytes.length - 1; i >= 0; i--) if (buffer[start + i] !== bytes[i]) return false;
  return true;
}
