/**
 * Addresses that no call through the sidecar may reach: link-local, cloud metadata, multicast, unspecified. A name that
 * resolves to one of them is not called, whoever owns the name (threat list: SSRF through invoke).
 */
import { BlockList, isIPv4, isIPv6 } from 'node:net';

const refused = new BlockList();
refused.addSubnet('0.0.0.0', 8); // this host on this network (RFC 1122); connects to loopback on Linux
refused.addSubnet('169.254.0.0', 16); // link-local, and the metadata address of most clouds
refused.addSubnet('224.0.0.0', 4); // multicast
refused.addSubnet('240.0.0.0', 4); // reserved, broadcast
refused.addAddress('100.100.100.200'); // metadata, Alibaba Cloud
refused.addAddress('168.63.129.16'); // wire server, Azure
refused.addAddress('192.0.0.192'); // metadata, Oracle Cloud
refused.addAddress('::', 'ipv6');
refused.addSubnet('fe80::', 10, 'ipv6'); // link-local
refused.addSubnet('fec0::', 10, 'ipv6'); // site-local (deprecated)
refused.addSubnet('ff00::', 8, 'ipv6'); // multicast
refused.addSubnet('fd00:ec2::', 32, 'ipv6'); // metadata, AWS
refused.addAddress('fd20:ce::254', 'ipv6'); // metadata, Google Cloud

/** The 16 bytes of an IPv6 address, or null. */
function ipv6Bytes(address: string): Uint8Array | null {
  let text = address;
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text);
  if (dotted !== null) {
    const [, head, a, b, c, d] = dotted as unknown as [string, string, string, string, string, string];
    text = `${head}${((Number(a) << 8) | Number(b)).toString(16)}:${((Number(c) << 8) | Number(d)).toString(16)}`;
  }
  const [left = '', right] = text.split('::');
  const groups = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16));
  const head = groups(left);
  const tail = right === undefined ? [] : groups(right);
  const missing = 8 - head.length - tail.length;
  if (right === undefined ? missing !== 0 : missing < 0) return null;
  const bytes = new Uint8Array(16);
  [...head, ...new Array<number>(Math.max(0, missing)).fill(0), ...tail].forEach((group, i) => {
    bytes[2 * i] = group >> 8;
    bytes[2 * i + 1] = group & 0xff;
  });
  return bytes;
}

const dottedOf = (bytes: Uint8Array, at: number): string => bytes.subarray(at, at + 4).join('.');

/** The IPv4 address that an IPv6 address carries (mapped, compatible, NAT64, 6to4), which is where the packet may end. */
function embeddedIpv4(address: string): string | null {
  const bytes = ipv6Bytes(address);
  if (bytes === null) return null;
  const zeros = (from: number, to: number): boolean => bytes.subarray(from, to).every((byte) => byte === 0);
  const word = (at: number): number => ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
  if (zeros(0, 10) && (word(10) === 0xffff || word(10) === 0)) return zeros(10, 15) ? null : dottedOf(bytes, 12);
  if (zeros(0, 8) && word(8) === 0xffff && word(10) === 0) return dottedOf(bytes, 12); // ::ffff:0:a.b.c.d
  if (word(0) === 0x64 && word(2) === 0xff9b) return dottedOf(bytes, 12);
  if (word(0) === 0x2002) return dottedOf(bytes, 2);
  return null;
}

/** Why an IP address must not be called, or null. What is no IP address is refused. */
export function refusedAddress(address: string): string | null {
  if (isIPv4(address))
    return refused.check(address, 'ipv4') ? `${address} is a link-local, metadata or reserved address` : null;
  if (!isIPv6(address)) return `${address} is not an IP address`;
  const bare = address.split('%')[0] as string;
  const inner = embeddedIpv4(bare);
  if (refused.check(bare, 'ipv6') || (inner !== null && refused.check(inner, 'ipv4'))) {
    return `${address} is a link-local, metadata or reserved address`;
  }
  return null;
}
