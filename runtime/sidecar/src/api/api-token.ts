/** The token that clients send as `dapr-api-token` (DAPR_API_TOKEN). */
import { createHash, timingSafeEqual } from 'node:crypto';

export const API_TOKEN_HEADER = 'dapr-api-token';

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Compares in a time that does not tell how much of the token was right. */
export function tokenCheck(token: string): (given: string | undefined) => boolean {
  const wanted = digest(token);
  return (given) => given !== undefined && timingSafeEqual(digest(given), wanted);
}
