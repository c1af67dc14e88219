#!/usr/bin/env node
/**
 * Generates clients in Go, Python and Java as buf.gen.sdks.yaml says: `codegen-sdks.mjs [go] [python] [java] [--out <folder>]`.
 * Without names all three; without --out into sdks/<language>/gen, which is git-ignored. The plugins are fetched by the
 * languages' own clients, in these versions, into .cache/codegen-tools; with --tools that is all that happens.
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { parse } from 'yaml';

const versions = {
  'protoc-gen-go': 'google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.6',
  'protoc-gen-go-grpc': 'google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.5.1',
  'grpcio-tools': 'grpcio-tools==1.71.0',
  'protoc-java': 'com.google.protobuf:protoc:3.25.5',
  'protoc-gen-grpc-java': 'io.grpc:protoc-gen-grpc-java:1.68.1',
};

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const tools = join(root, '.cache/codegen-tools');
const bin = join(tools, 'bin');

function run(program, args, options = {}) {
  try {
    execFileSync(program, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], ...options });
  } catch (error) {
    throw new Error(
      `${program} ${error.code === 'ENOENT' ? 'is not installed' : `ended with ${error.status ?? error.signal}`}`,
    );
  }
}

/** Fetches a tool once; its version is part of the mark, so that a new version is fetched anew. */
function once(tool, fetch) {
  const mark = join(tools, `${tool}.version`);
  if (existsSync(mark) && readFileSync(mark, 'utf8') === versions[tool]) return;
  console.log(`codegen: fetching ${versions[tool]}`);
  fetch(versions[tool]);
  writeFileSync(mark, versions[tool]);
}

function writeScript(name, line) {
  writeFileSync(join(bin, name), `#!/bin/sh\nexec ${line} "$@"\n`);
  chmodSync(join(bin, name), 0o755);
}

function fetchFromMaven(name, coordinate) {
  const arch = { x64: 'x86_64', arm64: 'aarch_64' }[process.arch];
  const os = { linux: 'linux', darwin: 'osx', win32: 'windows' }[process.platform];
  const folder = join(tools, `maven-${name}`);
  rmSync(folder, { recursive: true, force: true });
  const artifact = `${coordinate}:exe:${os}-${arch}`;
  run('mvn', ['--quiet', '--batch-mode', 'dependency:copy', `-Dartifact=${artifact}`, `-DoutputDirectory=${folder}`]);
  copyFileSync(join(folder, readdirSync(folder)[0]), join(bin, name));
  chmodSync(join(bin, name), 0o755);
}

const prepare = {
  go() {
    for (const tool of ['protoc-gen-go', 'protoc-gen-go-grpc'])
      once(tool, (spec) => run('go', ['install', spec], { env: { ...process.env, GOBIN: bin } }));
  },
  python() {
    const venv = join(tools, 'venv');
    once('grpcio-tools', (spec) => {
      run('python3', ['-m', 'venv', '--clear', venv]);
      run(join(venv, 'bin/python'), ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', spec]);
    });
    writeScript('protoc-python', `'${venv}/bin/python' -m grpc_tools.protoc`);
    writeScript('protoc-gen-grpc-python', `'${venv}/bin/python' '${join(root, '.ci/codegen-grpc-python.py')}'`);
  },
  java() {
    for (const tool of ['protoc-java', 'protoc-gen-grpc-java']) once(tool, (spec) => fetchFromMaven(tool, spec));
  },
};

function generate(languages, out) {
  const template = parse(readFileSync(join(root, 'buf.gen.sdks.yaml'), 'utf8'));
  template.plugins = template.plugins.filter(({ out }) => languages.includes(out.split('/')[0]));
  run(join(root, 'node_modules/.bin/buf'), ['generate', '--template', JSON.stringify(template), '--output', out], {
    env: { ...process.env, PATH: [bin, dirname(process.execPath), process.env.PATH ?? ''].join(delimiter) },
  });
  for (const language of languages) console.log(`codegen: ${join(out, language, 'gen')}`);
}

try {
  const { values, positionals } = parseArgs({
    options: { out: { type: 'string' }, tools: { type: 'boolean', default: false } },
    allowPositionals: true,
  });
  const languages = positionals.length > 0 ? positionals : Object.keys(prepare);
  const unknown = languages.find((language) => !(language in prepare));
  if (unknown !== undefined)
    throw new Error(`no generator for ${unknown}; there are ${Object.keys(prepare).join(', ')}`);

  mkdirSync(bin, { recursive: true });
  for (const language of languages) prepare[language]();
  if (!values.tools) generate(languages, resolve(values.out ?? join(root, 'sdks')));
} catch (error) {
  console.error(`codegen: ${error.message}`);
  process.exitCode = 1;
}
