/**
 * Which header fields pass a hop. One table says which names are ours: whoever calls may not set them, or could pass for
 * another app or read a token (threat list: spoofed identity). Fields of one connection end with it (RFC 9110 §7.6.1).
 */

/** Names that Outrigger alone sets, besides whole families by prefix. */
const OWNED: ReadonlySet<string> = new Set([
  'dapr-api-token',
  'dapr-app-id',
  'dapr-caller-app-id',
  'dapr-caller-namespace',
  'dapr-callee-app-id',
  'destination-app-id',
  'x-forwarded-client-cert',
]);

/** Who calls whom: set by the caller's sidecar, seen by the app. */
const IDENTITY: ReadonlySet<string> = new Set(['dapr-caller-app-id', 'dapr-caller-namespace', 'dapr-callee-app-id']);

/** The codecs keep most of these to themselves; what is listed twice is dropped once. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'host',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

const LETTER_C = 0x63;
const LETTER_D = 0x64;
const LETTER_H = 0x68;
const LETTER_K = 0x6b;
const LETTER_O = 0x6f;
const LETTER_P = 0x70;
const LETTER_T = 0x74;
const LETTER_U = 0x75;
const LETTER_X = 0x78;

export function isHopByHop(name: string): boolean {
  switch (name.charCodeAt(0)) {
    case LETTER_C:
    case LETTER_H:
    case LETTER_K:
    case LETTER_P:
    case LETTER_T:
    case LETTER_U:
      return HOP_BY_HOP.has(name);
    default:
      return false;
  }
}

/** True for names that only Outrigger sets: `dapr-caller-app-id`, tokens, `outrigger-*`, `x-envoy-*`, `x-mosn-*`, … */
export function isOwned(name: string): boolean {
  switch (name.charCodeAt(0)) {
    case LETTER_D:
      return OWNED.has(name);
    case LETTER_O:
      return name.startsWith('outrigger-');
    case LETTER_X:
      return name.startsWith('x-envoy-') || name.startsWith('x-mosn-') || OWNED.has(name);
    default:
      return false;
  }
}

/** A new list without what a caller may not send and what ends with its connection. */
export function fromCaller(flat: readonly string[]): string[] {
  const passed: string[] = [];
  for (let i = 0; i < flat.length; i += 2) {
    const name = flat[i] as string;
    if (isOwned(name) || isHopByHop(name)) continue;
    passed.push(name, flat[i + 1] as string);
  }
  return passed;
}

/** The same for what a peer sidecar sent on: the identities that it set stay, how it asked does not. */
export function fromSidecar(flat: readonly string[]): string[] {
  const passed: string[] = [];
  for (let i = 0; i < flat.length; i += 2) {
    const name = flat[i] as string;
    if (isHopByHop(name) || (isOwned(name) && !IDENTITY.has(name))) continue;
    passed.push(name, flat[i + 1] as string);
  }
  return passed;
}

/** What an upstream answered: no app can pass for a sidecar. */
export function fromUpstream(flat: readonly string[]): string[] {
  const passed: string[] = [];
  for (let i = 0; i < flat.length; i += 2) {
    const name = flat[i] as string;
    if (isHopByHop(name) || name.startsWith('outrigger-')) continue;
    passed.push(name, flat[i + 1] as string);
  }
  return passed;
}
