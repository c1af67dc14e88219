/** Bytes to string and back, one character per byte. */

interface Latin1Buffer {
  latin1Slice(start: number, end: number): string;
  latin1Write(text: string, start: number, length: number): number;
}

/** `buffer.latin1Slice` skips the look-up of the encoding by name; every Node has it, the types do not. */
export function latin1(buffer: Buffer, start: number, end: number): string {
  return (buffer as unknown as Latin1Buffer).latin1Slice(start, end);
}

/** Writes `text`, whose characters are all below 256, and returns the number of bytes. */
export function writeLatin1(buffer: Buffer, text: string, start: number): number {
  return (buffer as unknown as Latin1Buffer).latin1Write(text, start, text.length);
}
