/** Metadata whose name says that it is a secret is wrapped when it is read, before anything could print it. */
import { type MetadataValue, Secret } from '@outrigger/components-core';

const SECRET_NAME =
  /password|passwd|secret|token|credential|connectionstring|accesskey|apikey|privatekey|encryptionkey|sharedkey|passphrase/i;
/** Names that only sound so: they say where a secret is, not what it is. */
const NOT_SECRET = /file|path|store|name|url|uri|version|enabled?$|ttl|expir|audience|scopes?$|issuer|separator/i;

export function wrapSecret(name: string, value: string): MetadataValue {
  return SECRET_NAME.test(name) && !NOT_SECRET.test(name) ? new Secret(value) : value;
}
