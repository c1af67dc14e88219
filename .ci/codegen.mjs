#!/usr/bin/env node
/**
 * Generates proto/src/gen from the .proto files, only when something that goes into it has changed. Run before `tsc -b`.
 * `--force` generates in any case.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const genDir = join(root, 'proto/src/gen');
const stampFile = join(genDir, '.stamp');
const protoRoots = ['dapr', 'layotto', 'grpc', 'google', 'outrigger', 'testing'].map((name) =>
  join(root, 'proto', name),
);
const tools = ['buf', 'protoc-gen-es', 'protoplugin', 'protobuf'];

function filesUnder(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort();
}

/** One hash over everything that the output depends on: sources, our plugin, configuration, versions of the tools. */
function hashInputs() {
  const hash = createHash('sha256');
  const add = (name, bytes) => hash.update(name).update('\0').update(bytes).update('\0');
  const sources = protoRoots.flatMap(filesUnder).filter((file) => file.endsWith('.proto'));
  const plugin = filesUnder(join(root, 'proto/plugin'));
  const config = ['buf.yaml', 'buf.gen.yaml', '.ci/codegen.mjs'].map((name) => join(root, name));
  for (const file of [...sources, ...plugin, ...config]) add(relative(root, file), readFileSync(file));
  for (const tool of tools) add(tool, readFileSync(join(root, 'node_modules/@bufbuild', tool, 'package.json')));
  return hash.digest('hex');
}

function isCurrent(stamp) {
  return existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp;
}

function generate(into) {
  const bin = join(root, 'node_modules/.bin');
  const result = spawnSync(join(bin, 'buf'), ['generate', '--output', into], {
    cwd: root,
    env: { ...process.env, PATH: [bin, dirname(process.execPath), process.env.PATH ?? ''].join(delimiter) },
    stdio: 'inherit',
  });
  if (result.error)
    throw new Error(`codegen: buf could not be started: ${result.error.message}. Run npm install first.`);
  if (result.status !== 0) throw new Error(`codegen: buf generate ended with ${result.status ?? result.signal}`);
}

/** Replaces only the files that differ, so that `tsc -b` and other runs of this script are not disturbed. */
function sync(fresh, target) {
  const names = new Set(filesUnder(fresh).map((file) => relative(fresh, file)));
  for (const old of filesUnder(target))
    if (old !== stampFile && !names.has(relative(target, old))) rmSync(old, { force: true });
  let written = 0;
  for (const name of names) {
    const to = join(target, name);
    const bytes = readFileSync(join(fresh, name));
    if (existsSync(to) && readFileSync(to).equals(bytes)) continue;
    mkdirSync(dirname(to), { recursive: true });
    renameSync(join(fresh, name), to);
    written++;
  }
  return { files: names.size, written };
}

const stamp = hashInputs();
if (!process.argv.includes('--force') && isCurrent(stamp)) process.exit(0);

mkdirSync(join(root, '.cache'), { recursive: true });
const work = mkdtempSync(join(root, '.cache/codegen-'));
try {
  generate(work);
  const { files, written } = sync(join(work, 'proto/src/gen'), genDir);
  writeFileSync(stampFile, stamp);
  console.log(`codegen: ${files} files, ${written} changed`);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  rmSync(work, { recursive: true, force: true });
}
