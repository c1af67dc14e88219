/** gRPC metadata. Names ending in `-bin` carry bytes, base64 on the wire; all others printable ASCII. */
import { HeaderList } from '../http/headers.js';

export class Metadata {
  /** As on the wire: binary values in base64. */
  readonly fields: HeaderList;

  constructor(fields: HeaderList = new HeaderList()) {
    this.fields = fields;
  }

  static of(values: Readonly<Record<string, string>>): Metadata {
    return new Metadata(HeaderList.of(values));
  }

  get(name: string): string | undefined {
    return this.fields.get(name);
  }

  getAll(name: string): string[] {
    return this.fields.getAll(name);
  }

  /**
   * The bytes of a `-bin` entry, the first where several were joined by commas. Unpadded base64 is accepted, as every
   * gRPC implementation must.
   */
  getBinary(name: string): Buffer | undefined {
    const value = this.fields.get(name);
    if (value === undefined) return undefined;
    const comma = value.indexOf(',');
    return Buffer.from(comma < 0 ? value : value.slice(0, comma), 'base64');
  }

  append(name: string, value: string): this {
    this.fields.append(name, value);
    return this;
  }

  set(name: string, value: string): this {
    this.fields.set(name, value);
    return this;
  }

  setBinary(name: string, value: Uint8Array): this {
    const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    return this.set(name, bytes.toString('base64').replace(/=+$/, ''));
  }
}
