/** Certificates made by openssl for one test run: an authority, and leaves that it signs. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TlsKeyPair } from './tls-options.js';

export class TestAuthority {
  readonly ca: string;
  readonly caPath: string;
  private readonly directory: string;
  private leaves = 0;

  constructor() {
    this.directory = mkdtempSync(join(tmpdir(), 'outrigger-certificates-'));
    this.run(
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-days',
      '2',
      '-subj',
      '/CN=test authority',
      '-keyout',
      'ca.key',
      '-out',
      'ca.pem',
    );
    this.caPath = join(this.directory, 'ca.pem');
    this.ca = readFileSync(this.caPath, 'utf8');
  }

  /** `names`: subject alternative names such as `DNS:a.example` or `IP:127.0.0.1`. */
  issue(commonName: string, ...names: string[]): TlsKeyPair {
    const file = `leaf-${++this.leaves}`;
    this.run(
      'req',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-subj',
      `/CN=${commonName}`,
      '-keyout',
      `${file}.key`,
      '-out',
      `${file}.csr`,
    );
    writeFileSync(
      join(this.directory, `${file}.ext`),
      `subjectAltName=${names.length === 0 ? `DNS:${commonName}` : names.join(',')}\n`,
    );
    this.run(
      'x509',
      '-req',
      '-in',
      `${file}.csr`,
      '-CA',
      'ca.pem',
      '-CAkey',
      'ca.key',
      '-CAcreateserial',
      '-days',
      '2',
      '-extfile',
      `${file}.ext`,
      '-out',
      `${file}.pem`,
    );
    const read = (name: string): string => readFileSync(join(this.directory, name), 'utf8');
    return { cert: read(`${file}.pem`), key: read(`${file}.key`) };
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }

  private run(...args: string[]): void {
    execFileSync('openssl', args, { cwd: this.directory, stdio: 'pipe' });
  }
}
