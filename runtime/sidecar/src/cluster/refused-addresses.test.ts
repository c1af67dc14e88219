import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { refusedAddress } from './refused-addresses.js';

describe('addresses that are never called', () => {
  const refused = [
    '169.254.169.254',
    '169.254.0.1',
    '0.0.0.0',
    '0.1.2.3',
    '224.0.0.1',
    '255.255.255.255',
    '100.100.100.200',
    '168.63.129.16',
    '::',
    'fe80::1',
    'fe80::1%eth0',
    'febf::1',
    'ff02::1',
    'fd00:ec2::254',
    'fd20:ce::254',
    '::ffff:169.254.169.254',
    '::ffff:a9fe:a9fe',
    '0:0:0:0:0:ffff:a9fe:a9fe',
    '::169.254.169.254',
    '64:ff9b::169.254.169.254',
    '64:ff9b::a9fe:a9fe',
    '2002:a9fe:a9fe::1',
    'metadata.google.internal',
    '',
  ];
  for (const address of refused) {
    it(`refuses '${address}'`, () => assert.notEqual(refusedAddress(address), null));
  }

  for (const address of [
    '127.0.0.1',
    '10.0.0.1',
    '192.168.1.1',
    '93.184.216.34',
    '::1',
    '2606:2800:220:1::1',
    'fd12::1',
    '::ffff:127.0.0.1',
    '64:ff9b::8.8.8.8',
  ]) {
    it(`lets '${address}' be called`, () => assert.equal(refusedAddress(address), null));
  }
});
